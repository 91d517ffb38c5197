import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anime_gen.contract import UserError
from anime_gen.data.sampler import GlobalBatches, Shard, Stream


def shown(stream: Stream, start: int, stop: int):
    return stream.at(np.arange(start, stop))


@given(n=st.integers(1, 60), seed=st.integers(-5, 2**40), passes=st.integers(1, 4))
def test_every_picture_once_a_pass(n, seed, passes):
    rows, _ = shown(Stream(n, seed), 0, n * passes)
    for one in rows.reshape(passes, n):
        assert sorted(one.tolist()) == list(range(n))


@given(n=st.integers(1, 60), seed=st.integers(0, 9), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_any_cut_of_the_stream_is_the_same_stream(n, seed, cuts):
    whole_rows, whole_coins = shown(Stream(n, seed), 0, 300)
    stream = Stream(n, seed)
    # Also backwards: an evaluation in between, or a second iteration, must not disturb it.
    for start, stop in zip([*cuts, 0], [*cuts[1:], 300], strict=False):
        rows, coins = shown(stream, min(start, stop), max(start, stop))
        np.testing.assert_array_equal(rows, whole_rows[min(start, stop) : max(start, stop)])
        np.testing.assert_array_equal(coins, whole_coins[min(start, stop) : max(start, stop)])


def test_passes_seeds_and_mirrors_differ():
    first, coins = shown(Stream(1000, 0), 0, 1000)
    second, later = shown(Stream(1000, 0), 1000, 2000)
    other, _ = shown(Stream(1000, 1), 0, 1000)
    assert (first != second).mean() > 0.9
    assert (first != other).mean() > 0.9
    assert 0.45 < coins.mean() < 0.55
    assert 0.4 < (coins[np.argsort(first)] != later[np.argsort(second)]).mean() < 0.6


@settings(max_examples=60)
@given(
    share=st.integers(1, 5),
    world=st.integers(1, 4),
    batches=st.integers(1, 7),
    start=st.integers(0, 20),
)
def test_ranks_together_show_what_one_rank_shows(share, world, batches, start):
    size = share * world
    epoch, position = batches * size, start * size
    one = list(GlobalBatches(epoch, size, 0, 1, lambda: position))
    ranks = [list(GlobalBatches(epoch, size, rank, world, lambda: position)) for rank in range(world)]
    together = [[place for part in parts for place in part] for parts in zip(*ranks, strict=True)]
    assert together == [list(batch) for batch in one]
    assert one[0][0] == position
    assert one[-1][-1] + 1 == (position // epoch + 1) * epoch
    assert len(GlobalBatches(epoch, size, 0, world, lambda: position)) == batches


def test_the_position_is_asked_for_at_each_iteration():
    position = 0
    batches = GlobalBatches(12, 4, 0, 1, lambda: position)
    iterator = iter(batches)
    position = 4
    assert [batch.start for batch in iterator] == [0, 4, 8]
    assert [batch.start for batch in batches] == [4, 8]
    position = 12
    assert [batch.start for batch in batches] == [12, 16, 20]


def test_impossible_batches_are_refused():
    with pytest.raises(UserError, match=r"batch_size is 6 for all 4 devices together: make it a multiple of 4"):
        GlobalBatches(12, 6, 0, 4, lambda: 0)
    with pytest.raises(UserError, match=r"epoch_images is 13, not whole batches of 4: make it 12"):
        GlobalBatches(13, 4, 0, 1, lambda: 0)
    with pytest.raises(UserError, match=r"make it 4 or"):
        GlobalBatches(0, 4, 0, 1, lambda: 0)


@given(count=st.integers(0, 100), size=st.integers(1, 20), world=st.integers(1, 7))
def test_shards_hold_each_picture_exactly_once(count, size, world):
    shards = [Shard(count, size, rank, world) for rank in range(world)]
    seen = [row for shard in shards for batch in shard for row in batch]
    assert sorted(seen) == list(range(count))
    assert all(len(shard) == len(list(shard)) for shard in shards)
    assert all(0 < len(batch) <= size for shard in shards for batch in shard)
