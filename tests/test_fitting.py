"""The trainer of small networks: its schedule, its lengths, its randomness, and that a kill changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anime_gen import fitting
from anime_gen.contract import UserError
from anime_gen.fitting import Done, Rows, State, fit, for_images, for_minutes, for_steps, rise_and_fall, shuffled

POINTS = torch.linspace(-1, 1, 40 * 3).view(40, 3)
WANTED = POINTS.square().sum(1, keepdim=True)


def network() -> nn.Sequential:
    """With statistics of its batches and randomness of its own: all that a save must not lose."""
    return fitting.initialised(
        lambda: nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Dropout(0.2), nn.SiLU(), nn.Linear(16, 1)), 0
    )


def loss_on(model: nn.Module) -> Callable[[Rows], Tensor]:
    def loss_of(batch: Rows) -> Tensor:
        loss: Tensor = (model(POINTS[batch.index_B]) - WANTED[batch.index_B]).square().mean()
        return loss

    return loss_of


BATCHES = shuffled(40, 8, seed=3)


def trained(state: State | None = None, batches: Callable[[int], Iterator[Rows]] = BATCHES) -> nn.Module:
    model = network()
    optimizer = fitting.adamw(model, 0.05, weight_decay=0.1)
    fit(model, loss_on(model), batches, optimizer, for_images(400), seed=7, clip=1.0, state=state)
    return model


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def killed_at(images: int, by: type[BaseException]) -> Callable[[int], Iterator[Rows]]:
    """The same batches up to there."""

    def batches(start: int) -> Iterator[Rows]:
        yield from islice(BATCHES(start), (images - start) // 8)
        raise by

    return batches


# ----------------------------------------------------------------------------------------------------------------
# Schedule and length


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine() -> None:
    assert rise_and_fall(0.0) == 0.01
    assert rise_and_fall(0.1, rise=0.4) == pytest.approx((0.01 + 0.25) * (0.5 + 0.5 * math.cos(0.1 * math.pi)))
    assert rise_and_fall(0.05) == pytest.approx(0.5 + 0.5 * math.cos(0.05 * math.pi))
    assert rise_and_fall(0.5) == pytest.approx(0.5)
    assert rise_and_fall(1.0) == 0


def rates(length: fitting.Length, each: Callable[[], None] = lambda: None) -> tuple[list[float], Done]:
    """Of every step; `each` happens at each."""
    model, found = nn.Linear(3, 1), []
    optimizer = torch.optim.SGD(model.parameters(), 2.0)

    def loss_of(batch: Rows) -> Tensor:
        each()
        return 0 * loss_on(model)(batch)

    optimizer.register_step_pre_hook(lambda optimizer, *_: found.append(optimizer.param_groups[0]["lr"]))
    return found, fit(model, loss_of, BATCHES, optimizer, length)


@pytest.mark.parametrize("length", [for_images(160), for_steps(20)])
def test_the_rate_follows_the_images(length: fitting.Length) -> None:
    found, done = rates(length)
    assert found == [2.0 * rise_and_fall(step / 20) for step in range(20)]
    assert done[:2] == (160, 20)


def test_the_rate_follows_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of three seconds, a minute: twenty steps, and what came before them does not count."""
    now = [100.0]
    monkeypatch.setattr(fitting.time, "monotonic", lambda: now[0])

    def wait() -> None:
        now[0] += 3.0

    found, done = rates(for_minutes(1.0), wait)
    assert found == pytest.approx([2.0 * rise_and_fall(step / 20) for step in range(20)])
    assert done == (160, 20, 60.0)


def test_a_batch_that_teaches_nothing_costs_no_step() -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    before = model.weight.clone()
    done = fit(model, lambda _: None, lambda _: islice(BATCHES(0), 5), optimizer, for_images(1000))
    assert done[:2] == (40, 0)
    assert torch.equal(model.weight, before)
    assert not model.training


def test_it_is_torchs_own_loop_where_it_is_asked_for_no_more() -> None:
    """One cycle, which moves the momentum too, on torch's global stream: as the landmark finders are trained."""
    ours, plain = network(), network()
    cycle = torch.optim.lr_scheduler.OneCycleLR
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(ours.parameters(), 0.01)
    fit(ours, loss_on(ours), BATCHES, optimizer, for_steps(30), schedule=lambda it, _: cycle(it, 0.01, total_steps=31))
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(plain.parameters(), 0.01)
    scheduler = cycle(optimizer, 0.01, total_steps=31)
    for batch in islice(BATCHES(0), 30):
        loss = loss_on(plain)(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    assert same(ours, plain)


def test_it_learns() -> None:
    model = trained()
    with torch.no_grad():
        assert float((model(POINTS) - WANTED).square().mean()) < 0.5 * float(WANTED.var())


# ----------------------------------------------------------------------------------------------------------------
# Randomness


def test_a_step_draws_what_seed_and_images_say() -> None:
    def drawn(seed: int) -> list[float]:
        model, found = nn.Linear(3, 1), []

        def loss_of(batch: Rows) -> Tensor:
            found.append(float(torch.rand(())))
            return loss_on(model)(batch)

        fit(model, loss_of, BATCHES, torch.optim.SGD(model.parameters(), 0.1), for_images(32), seed=seed)
        return found

    assert drawn(1) == drawn(1)
    assert len(set(drawn(1) + drawn(2))) == 8


def test_torchs_global_stream_is_given_back() -> None:
    model = nn.Linear(3, 1)
    before = torch.get_rng_state()
    network()
    fit(model, loss_on(model), BATCHES, torch.optim.SGD(model.parameters(), 0.1), for_images(16), seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_first_weights_are_the_seeds() -> None:
    one, again, other = (fitting.initialised(lambda: nn.Linear(5, 5), seed).weight for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_every_pass_has_every_row_once_in_an_order_of_its_own() -> None:
    batches = list(islice(shuffled(10, 4, seed=1)(0), 10))
    assert {len(batch.index_B) for batch in batches} == {4}
    passes = torch.cat([batch.index_B for batch in batches]).view(4, 10)
    assert passes.sort(1).values.tolist() == [list(range(10))] * 4
    assert len({tuple(row) for row in passes.tolist()}) == 4
    for start in (4, 12, 20):
        assert torch.equal(next(shuffled(10, 4, seed=1)(start)).index_B, batches[start // 4].index_B)
    small = next(shuffled(3, 8, seed=1)(0)).index_B
    assert len(small) == 8
    assert small[:3].sort().values.tolist() == [0, 1, 2]


def test_biases_and_norms_do_not_decay() -> None:
    decayed, plain = fitting.adamw(network(), 0.1, weight_decay=0.3).param_groups
    assert (decayed["weight_decay"], [p.ndim for p in decayed["params"]]) == (0.3, [2, 2])
    assert (plain["weight_decay"], len(plain["params"])) == (0.0, 4)


# ----------------------------------------------------------------------------------------------------------------
# Going on


@pytest.mark.parametrize("by", [RuntimeError, KeyboardInterrupt])
def test_what_is_killed_goes_on_as_if_nothing_had_been(
    by: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "SAVE_SECONDS", 0.0)
    out = tmp_path / "a.safetensors"
    for images in (120, 256):
        with pytest.raises(by):
            trained(State(out, {"lr": 0.05}), killed_at(images, by))
        assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors.unfinished"]
    assert ("stopped; the same command goes on after 256 images" in capsys.readouterr().err) == (
        by is KeyboardInterrupt
    )
    torch.manual_seed(99)  # another process
    state = State(out, {"lr": 0.05})
    went_on = trained(state)
    assert "a.safetensors.unfinished: going on after 256 images" in capsys.readouterr().err
    assert same(went_on, trained())
    assert state.path.exists(), "until what it is for stands where it should"
    assert same(trained(State(out, {"lr": 0.05}), killed_at(400, by)), went_on), "nothing is left to do"
    state.remove()
    assert not list(tmp_path.iterdir())


def test_saves_are_not_too_close(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        trained(State(tmp_path / "a", {}), killed_at(120, RuntimeError))
    assert not list(tmp_path.iterdir())


def test_minutes_add_up_over_sittings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(fitting.time, "monotonic", lambda: now[0])

    def sitting(batches: Callable[[int], Iterator[Rows]]) -> Done:
        model = network()

        def loss_of(batch: Rows) -> Tensor:
            now[0] += 30.0
            return loss_on(model)(batch)

        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        return fit(model, loss_of, batches, optimizer, for_minutes(5), seed=1, state=State(tmp_path / "a", {}))

    with pytest.raises(RuntimeError):
        sitting(killed_at(32, RuntimeError))
    now[0] += 10_000.0
    assert sitting(BATCHES) == (80, 10, 300.0)


def test_other_settings_start_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "SAVE_SECONDS", 0.0)
    with pytest.raises(RuntimeError):
        trained(State(tmp_path / "a", {"lr": 0.04, "seed": 1, "words": ("x",)}), killed_at(120, RuntimeError))
    anew = trained(State(tmp_path / "a", {"lr": 0.05, "seed": 1, "words": ("x",)}))
    assert "a.unfinished: begun with other settings (lr); starting anew" in capsys.readouterr().err
    assert same(anew, trained())


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.unfinished").write_bytes(b"not a training")
    with pytest.raises(UserError, match=r"a\.unfinished cannot be read: delete it to train from the start"):
        trained(State(tmp_path / "a", {}))
