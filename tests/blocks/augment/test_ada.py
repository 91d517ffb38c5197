"""ADA: nothing at p = 0, twice differentiable, drawn for each picture, and a p that follows the discriminator."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor

from anime_gen.blocks.augment import ada as module
from anime_gen.blocks.augment.ada import ADA, EVERY, add_noise, amplify, change, cut_out, recolour
from anime_gen.contract import UserError

OFF = {"blit": False, "geometry": False, "colour": False, "filter": False, "noise": False, "cutout": False}
ALL = dict.fromkeys(OFF, True)


def fixed(p: float, **on: bool) -> ADA:
    return ADA(**{**OFF, **on}, p=p, adapt=False)


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_nothing_at_p_0_bit_for_bit(pictures: Tensor) -> None:
    pictures[0, 0, 0, 0] = -0.0
    made = fixed(0, **ALL)(pictures)
    assert torch.equal(made.view(torch.int32), pictures.view(torch.int32))


def test_the_default_is_bgc(pictures: Tensor) -> None:
    torch.manual_seed(1)
    made = ADA(p=0.7, adapt=False)(pictures)
    torch.manual_seed(1)
    assert torch.equal(fixed(0.7, blit=True, geometry=True, colour=True)(pictures), made)
    assert ADA().p == 0
    assert ADA().target == 0.6
    assert ADA().speed == 500_000


@pytest.mark.parametrize("name", OFF)
def test_shape_type_and_seed(name: str, pictures: Tensor) -> None:
    augment = fixed(1, **{name: True})
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        torch.manual_seed(1)
        first = augment(pictures.to(dtype))
        second = augment(pictures.to(dtype))
        torch.manual_seed(1)
        assert torch.equal(first, augment(pictures.to(dtype)))
        assert not torch.equal(first, second)
        assert first.shape == pictures.shape
        assert first.dtype == dtype


@pytest.mark.parametrize("name", OFF)
def test_first_and_second_derivatives(name: str) -> None:
    picture = (torch.rand(2, 3, 3, 3, dtype=torch.float64) * 2 - 1).requires_grad_()
    augment = fixed(1, **{name: True})

    def seeded(image_BCNN: Tensor) -> Tensor:
        torch.manual_seed(5)
        return augment(image_BCNN)

    assert not torch.equal(seeded(picture), picture)
    assert torch.autograd.gradcheck(seeded, picture)
    assert torch.autograd.gradgradcheck(seeded, picture)


def test_a_picture_s_change_does_not_depend_on_the_others(pictures: Tensor) -> None:
    augment = fixed(0.5, **ALL)
    torch.manual_seed(2)
    together = augment(pictures)
    for row in (0, 7, 31):
        beside = torch.randn_like(pictures)
        beside[row] = pictures[row]
        torch.manual_seed(2)
        assert torch.allclose(augment(beside)[row], together[row], atol=1e-5)


def test_each_picture_has_its_own_draw(pictures: Tensor) -> None:
    same = pictures[:1].expand(32, -1, -1, -1)
    for name in OFF:
        made = fixed(1, **{name: True})(same)
        assert len(torch.unique(made.flatten(1), dim=0)) > 20, name


def test_the_share_of_pictures_changed(pictures: Tensor) -> None:
    torch.manual_seed(0)
    many = pictures[:, :, :8, :8].repeat(64, 1, 1, 1)
    for name, wanted in (("noise", 0.3), ("cutout", 0.3), ("geometry", 1 - 0.7**4)):
        changed = (fixed(0.3, **{name: True})(many) != many).flatten(1).any(dim=1).double().mean().item()
        assert changed == pytest.approx(wanted, abs=0.05), name


def test_an_accelerator_does_what_the_cpu_does(pictures: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """`change` takes the chosen rows on the CPU and all of them elsewhere: the result is the same."""

    def everywhere(image_BCNN, chosen_B, how, *parameters):  # type: ignore[no-untyped-def]
        return torch.where(chosen_B[:, None, None, None], how(image_BCNN, *parameters), image_BCNN)

    augment = fixed(0.4, **ALL)
    torch.manual_seed(4)
    on_cpu = augment(pictures)
    monkeypatch.setattr(module, "change", everywhere)
    torch.manual_seed(4)
    assert torch.allclose(augment(pictures), on_cpu, atol=1e-4)


def test_bfloat16_around_it_does_not_round_the_work_within(pictures: Tensor) -> None:
    augment = fixed(1, geometry=True, colour=True, filter=True)
    torch.manual_seed(1)
    wanted = augment(pictures)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augment(pictures), wanted)


def test_a_blit_and_a_warp_are_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shift beside a scaling: the resampling sees what the shift alone would have pushed over the border."""
    pictures = torch.zeros(1, 3, 16, 16)
    pictures[..., -2:] = 1  # the right edge
    monkeypatch.setattr(module.draws, "x_flips", lambda p, count: torch.tensor([False]))
    monkeypatch.setattr(module.draws, "quarter_turns", lambda p, count: torch.tensor([0]))
    monkeypatch.setattr(module.draws, "whole_shifts", lambda p, count, side: torch.tensor([[2, 0]]))
    alone = fixed(1, blit=True)(pictures)
    assert torch.equal(alone[..., 2:], pictures[..., :-2])
    half = torch.diag(torch.tensor([2.0, 2.0, 1.0]))[None]
    monkeypatch.setattr(module.draws, "inverse_geometry", lambda p, count, side: half.clone())
    both = fixed(1, blit=True, geometry=True)(pictures)
    # x_in = 2 x_out - 2 about the middle: the edge, at 6.5 to 7.5, is seen at 4.25 to 4.75, so at pixel 12.
    assert both[0, 0, 8].argmax().item() == 12
    assert both[0, 0, 8, 12] > 0.7


def test_recolour_by_hand(pictures: Tensor) -> None:
    matrices = torch.randn(32, 4, 4)
    wanted = torch.einsum("bij,bjhw->bihw", matrices[:, :3, :3], pictures) + matrices[:, :3, 3, None, None]
    assert torch.allclose(recolour(pictures, matrices), wanted, atol=1e-5)


def test_gains_of_one_are_the_picture_and_the_bands_sum_to_it(pictures: Tensor) -> None:
    assert torch.allclose(amplify(pictures, torch.ones(32, 4)), pictures, atol=1e-6)
    flat = torch.full((1, 3, 16, 16), 0.5)
    assert torch.allclose(amplify(flat, torch.tensor([[1.0, 3, 3, 3]])), flat, atol=1e-6)
    # One gain for both sides: only what is low along both is damped once by each.
    assert torch.allclose(amplify(flat, torch.tensor([[0.5, 1, 1, 1]])), flat / 4, atol=1e-6)


def test_noise_is_one_deviation_a_picture(pictures: Tensor) -> None:
    normal = torch.randn_like(pictures)
    made = add_noise(pictures, normal, torch.arange(32) / 10)
    assert torch.allclose(made[5] - pictures[5], 0.5 * normal[5], atol=1e-6)


def test_cutout_by_hand(pictures: Tensor) -> None:
    middles = torch.rand(32, 2)
    made = cut_out(pictures, middles)
    for was, now, (x, y) in zip(pictures, made, middles.tolist(), strict=True):
        wanted = was.clone()
        left, right, top, low = (round((c + reach) * 16) for c in (x, y) for reach in (-0.25, 0.25))
        wanted[:, max(top, 0) : low, max(left, 0) : right] = 0
        assert torch.equal(now, wanted)


def test_only_the_chosen_are_changed(pictures: Tensor) -> None:
    chosen = torch.arange(32) % 3 == 0
    made = change(pictures, chosen, lambda x, by: x + by[:, None, None, None], torch.arange(32))
    assert torch.equal(made[~chosen], pictures[~chosen])
    assert torch.equal(made[chosen], pictures[chosen] + torch.arange(0, 32, 3)[:, None, None, None])
    assert change(pictures, chosen & False, torch.neg) is pictures


def test_p_follows_the_discriminator_at_the_paper_s_speed() -> None:
    augment = ADA(speed=1000)
    sure, unsure = torch.ones(10), torch.tensor([1.0] * 6 + [-1.0] * 4)
    for _ in range(3):
        augment.observe(sure)
    assert augment.p == 0
    augment.observe(sure)
    assert augment.p.item() == pytest.approx(40 / 1000)
    assert augment.seen.tolist() == [0, 0, 0]
    for _ in range(4):
        augment.observe(3 * sure[:5])  # half the batch, half the step, however large the logits
    assert augment.p.item() == pytest.approx(60 / 1000)
    for _ in range(4):
        augment.observe(unsure)  # r_t = 0.2
    assert augment.p.item() == pytest.approx(20 / 1000)
    for _ in range(8):
        augment.observe(unsure)
    assert augment.p == 0
    for _ in range(110):
        augment.observe(sure)
    assert augment.p == 1


def test_p_stays_where_it_does_not_adapt() -> None:
    augment = ADA(p=0.5, adapt=False)
    for _ in range(EVERY):
        augment.observe(torch.ones(64))
    assert augment.p == 0.5


def test_on_target_p_rests() -> None:
    augment = ADA(p=0.5, target=0.5)
    for _ in range(4):
        augment.observe(torch.tensor([2.0, 1.0, 0.1, -5.0]))
    assert augment.p == 0.5


def test_a_fixed_p_stays() -> None:
    augment = fixed(0.3, blit=True)
    for _ in range(8):
        augment.observe(torch.ones(100, requires_grad=True))
    assert augment.p.item() == pytest.approx(0.3)
    assert augment.seen.tolist() == [0, 0, 0]


def test_a_checkpoint_holds_p_and_what_was_seen() -> None:
    trained, resumed = ADA(speed=100), ADA(speed=100)
    for _ in range(6):
        trained.observe(torch.ones(4))
    resumed.load_state_dict(trained.state_dict())
    for augment in (trained, resumed):
        for _ in range(2):
            augment.observe(torch.ones(4))
        assert augment.p.item() == pytest.approx(0.32)


def one_rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    augment = ADA(speed=1000)
    # Alone, the second rank's p would fall; together r_t is (8 * 1 + 2 * -1) / 10 = 0.6 and 1 / 5.
    for mine in ((torch.ones(9), -torch.ones(1)), (torch.ones(3), -torch.ones(2))):
        for _ in range(4):
            augment.observe(mine[rank])
        torch.save(augment.state_dict(), folder / f"{rank}-{len(mine[0])}")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_ranks_agree(tmp_path: Path) -> None:
    mp.start_processes(one_rank, (tmp_path,), nprocs=2, start_method="fork")
    for batch, wanted in ((9, 40 / 1000), (3, 20 / 1000)):
        first, second = (torch.load(tmp_path / f"{rank}-{batch}") for rank in range(2))
        assert first["p"].item() == pytest.approx(wanted)
        assert torch.equal(first["p"], second["p"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (OFF, "every group"),
        ({"p": 1.5}, "p is 1.5"),
        ({"p": -0.1}, "p is -0.1"),
        ({"p": math.nan}, "p is nan"),
        ({"target": 1.0}, "target is 1.0"),
        ({"speed": 0}, "speed is 0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(UserError, match=f"augment: {says}") as caught:
        ADA(**options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
