"""The training step against one written out, what landmarks add, and the promises of a translator."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from anime_gen.blocks.adversarial import DRAGAN, LeastSquares
from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.cyclegan.assistance import Assistant, Landmarks
from anime_gen.families.cyclegan.landmarks import heat_maps
from anime_gen.families.cyclegan.module import CycleGAN
from anime_gen.families.cyclegan.network import Activation, Doubling, EncoderDecoder, Generators, Patch, ResNet, Scalar
from anime_gen.noise import normal_like

SIZE = 32


def unattached(generators: Generators | None = None, **settings: Any) -> CycleGAN:
    """A module whose `training_step` works without a trainer."""
    torch.manual_seed(0)
    module = CycleGAN(SIZE, generators or ResNet(4, 1), Patch(4), LeastSquares(), **settings)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers  # type: ignore[method-assign, assignment, return-value]
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    module._share_done = lambda batch: 0.0  # type: ignore[method-assign]
    return module


def batch_of(rows: int = 2) -> Batch:
    stream = torch.Generator().manual_seed(5)
    anime, photo = torch.rand(2, rows, 3, SIZE, SIZE, generator=stream) * 2 - 1
    return Batch(anime, Condition(source_BCHW=photo), torch.arange(rows))


def photo_of(batch: Batch) -> Tensor:
    assert batch.condition.source_BCHW is not None
    return batch.condition.source_BCHW


def test_one_step_is_the_written_out_one() -> None:
    """Zhu et al.'s: generators first (weights 10 and 5 beside whole squares), then discriminators (halved)."""
    module, batch = unattached(noise=0.1), batch_of()
    photo, anime = photo_of(batch), batch.image_BCHW
    to_anime, to_photo = copy.deepcopy(module.generators.to_anime), copy.deepcopy(module.generators.to_photo)
    of_anime, of_photo = (copy.deepcopy(module.discriminators[name]) for name in ("anime", "photo"))
    adam = torch.optim.Adam([*to_anime.parameters(), *to_photo.parameters()], 2e-4, (0.5, 0.999))
    adam_d = torch.optim.Adam([*of_anime.parameters(), *of_photo.parameters()], 2e-4, (0.5, 0.999))
    for _ in range(2):
        torch.manual_seed(3)
        scalars = module.training_step(batch, 0)
        torch.manual_seed(3)
        noisy = photo + 0.1 * normal_like(photo)
        made_anime, made_photo = to_anime(noisy), to_photo(anime)
        again = made_photo + 0.1 * normal_like(photo)  # every photo that is translated is noisy
        game = (of_anime(made_anime) - 1).square().mean() + (of_photo(made_photo) - 1).square().mean()
        cycle = (to_photo(made_anime) - photo).abs().mean() + (to_anime(again) - anime).abs().mean()
        same = (to_anime(anime) - anime).abs().mean() + (to_photo(photo) - photo).abs().mean()
        # Everything halved, which Adam does not notice but by its epsilon.
        adam.zero_grad()
        ((game + 10 * cycle + 5 * same) / 2).backward()
        adam.step()
        of_both = []
        for judge, real, made in ((of_anime, anime, made_anime), (of_photo, photo, made_photo)):
            of_both.append(((judge(real) - 1).square().mean() + judge(made.detach()).square().mean()) / 2)
        adam_d.zero_grad()
        sum(of_both).backward()  # type: ignore[union-attr]
        adam_d.step()
        assert scalars["loss_identity"].item() == pytest.approx(2.5 * same.item(), rel=1e-4)
        both = scalars["loss_cycle_photo"] + scalars["loss_cycle_anime"]
        assert both.item() == pytest.approx(5 * cycle.item(), rel=1e-4)
        assert scalars["loss_discriminator_photo"].item() == pytest.approx(of_both[1].item(), rel=1e-4)
    pairs = [(module.generators.to_anime, to_anime), (module.generators.to_photo, to_photo)]
    pairs += [(module.discriminators["anime"], of_anime), (module.discriminators["photo"], of_photo)]
    for ours, theirs in pairs:
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            # A bias in front of a norm has no gradient but rounding, which Adam makes a step of.
            torch.testing.assert_close(a, b, rtol=0, atol=5e-4)
            if a.ndim > 1:
                assert (a - b).abs().mean() < 1e-5


def test_the_pool_shows_the_past() -> None:
    """With a pool of one, half of the steps judge the picture of the step before."""
    module = unattached(pool=1)
    seen: list[Tensor] = []
    module.discriminators["anime"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    old = []
    torch.manual_seed(0)
    for step in range(12):
        before = module.pools["anime"].pictures.clone()
        module.training_step(batch_of(1), step)
        shown = seen[-1][1:]  # the discriminator's own step: the real picture, then one from the pool
        old.append(bool(len(before)) and torch.equal(shown, before))
    assert 2 < sum(old) < 10


def test_the_rate_falls_with_the_images_shown() -> None:
    module = unattached()
    del module._share_done
    module._trainer = SimpleNamespace(world_size=2, num_training_batches=125, max_epochs=2)  # type: ignore[assignment]
    for shown, rate in ((100, 2e-4), (754, 1e-4), (1004, 0.0)):
        module.images_shown = shown
        assert module.training_step(batch_of(), 0)["lr"].item() == pytest.approx(rate)


def test_left_out_losses_are_left_out() -> None:
    scalars = unattached(cycle=0.0, identity=0.0).training_step(batch_of(), 0)
    assert not {"loss_cycle_photo", "loss_cycle_anime", "loss_identity"} & set(scalars)


def test_seeds_choose_the_noise_and_nothing_else_does() -> None:
    condition = batch_of(3).condition
    still = unattached()
    assert torch.equal(still.sample(condition, [1, 2, 3]), still.sample(condition, [4, 5, 6]))
    noisy = unattached(noise=0.2)
    first = noisy.sample(condition, [1, 2, 3])
    assert not torch.allclose(first, noisy.sample(condition, [4, 5, 6]))
    alone = noisy.sample(condition.rows(slice(1, 2)), [2])
    torch.testing.assert_close(alone, first[1:2], rtol=0, atol=1e-5)  # convolutions may round by row


def test_batch_norms_go_with_noise_and_landmarks() -> None:
    module = unattached(EncoderDecoder(4), noise=0.1, landmarks=Landmarks())
    module.training_step(batch_of(), 0)
    first = module.sample(batch_of(3).condition, [1, 2, 3])
    alone = module.sample(batch_of(3).condition.rows(slice(2, 3)), [3])
    torch.testing.assert_close(alone, first[2:], rtol=0, atol=1e-5)


def test_networks_can_be_pickled() -> None:
    chosen = pickle.loads(pickle.dumps(ResNet(4, 1, Doubling.resize, Activation.leaky)))
    assert chosen.activation is Activation.leaky
    assert chosen.doubling is Doubling.resize


@pytest.mark.parametrize("generators", [ResNet(4, 1), EncoderDecoder(4)], ids=["resnet", "baseline"])
def test_the_way_back_depends_on_the_picture_alone(generators: Generators) -> None:
    module, batch = unattached(generators), batch_of(3)
    module.training_step(batch, 0)
    module.chunk = 2
    photos = module.back(batch.image_BCHW)
    assert photos.shape == batch.image_BCHW.shape
    assert photos.abs().max() <= 1
    torch.testing.assert_close(module.back(batch.image_BCHW[[2]]), photos[[2]], rtol=0, atol=1e-5)
    assert module.generators.training


def test_batch_norms_are_measured_on_the_latest_pictures() -> None:
    module, batch = unattached(EncoderDecoder(4)), batch_of()
    module.training_step(batch, 0)
    assert torch.equal(module.remembered_2NCHW[0, :2], photo_of(batch))
    assert torch.equal(module.remembered_2NCHW[1, :2], batch.image_BCHW)
    before = module.sample(batch.condition, [1, 2])
    for layer in module.generators.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None
            layer.running_mean.fill_(3)
    assert torch.equal(module.sample(batch.condition, [1, 2]), before)
    assert not hasattr(unattached(), "remembered_2NCHW")


def test_one_logit_a_picture_is_believed_or_not() -> None:
    batch = batch_of(3)
    module = CycleGAN(SIZE, ResNet(4, 1), Scalar(4), LeastSquares())
    anime, _ = module.believed(batch.image_BCHW, photo_of(batch))
    assert anime.tolist() == (module.discriminators["anime"](batch.image_BCHW) > 0.5).float().tolist()


def test_believed_is_the_share_of_logits_above_the_boundary() -> None:
    module, batch = unattached(), batch_of(3)
    anime, photo = module.believed(batch.image_BCHW, photo_of(batch))
    logits = module.discriminators["anime"](batch.image_BCHW)
    torch.testing.assert_close(anime, (logits > 0.5).float().mean((1, 2, 3)))
    assert photo.shape == (3,)
    for parameter in module.discriminators["photo"].parameters():
        torch.nn.init.zeros_(parameter)
    last = list(module.discriminators["photo"].parameters())[-1]
    torch.nn.init.constant_(last, 0.6)
    assert module.believed(batch.image_BCHW, photo_of(batch))[1].tolist() == [1, 1, 1]


# --------------------------------------------------------------------------------------------------------------------
# Checkpoints


def test_pools_are_in_the_checkpoint() -> None:
    module = unattached(pool=3)
    module.training_step(batch_of(), 0)
    checkpoint: dict[str, Any] = {"state_dict": {}}  # Lightning fills it
    module.on_save_checkpoint(checkpoint)
    assert [len(pictures) for pictures in checkpoint["pools"][0].values()] == [2, 2]
    other = unattached(pool=3)
    other._trainer = SimpleNamespace(global_rank=0)  # type: ignore[assignment]
    other.on_load_checkpoint(checkpoint)
    other.on_fit_start()
    for name, pool in module.pools.items():
        assert torch.equal(other.pools[name].pictures, pool.pictures)


@pytest.mark.parametrize(("rank", "whose"), [(0, 0), (1, 1), (2, 0)])
def test_each_rank_goes_on_with_its_pools_and_a_new_one_with_some(rank: int, whose: int) -> None:
    pools = [{name: torch.full((2, 3, 16, 16), float(of)) for name in ("anime", "photo")} for of in range(2)]
    module = unattached(pool=3)
    module._trainer = SimpleNamespace(global_rank=rank)  # type: ignore[assignment]
    module.on_load_checkpoint({"state_dict": {}, "images_shown": 8, "seconds": 1.0, "pools": pools})
    module.on_fit_start()
    assert [pool.pictures.unique().tolist() for pool in module.pools.values()] == [[whose], [whose]]
    assert [len(pool.pictures) for pool in module.pools.values()] == [2, 2]


# --------------------------------------------------------------------------------------------------------------------
# Landmarks


def assisted(**options: Any) -> CycleGAN:
    module = unattached(landmarks=Landmarks(**options))
    assistant_of(module).are_trained.fill_(True)
    return module


def assistant_of(module: CycleGAN) -> Assistant:
    assert module.assistant is not None
    return module.assistant


def test_coarse_and_then_fine() -> None:
    """The parts are shown in the second stage only; the conditional discriminator always."""
    module = assisted(fine_from=0.5)
    part = module.discriminators["anime_part_0"]
    before = copy.deepcopy(part.state_dict())
    module._share_done = lambda batch: 0.49  # type: ignore[method-assign]
    coarse = module.training_step(batch_of(), 0)
    assert "loss_discriminator_anime_with_landmarks" in coarse
    assert not [name for name in coarse if "part" in name]
    assert all(torch.equal(before[name], value) for name, value in part.state_dict().items())
    module._share_done = lambda batch: 0.5  # type: ignore[method-assign]
    fine = module.training_step(batch_of(), 0)
    assert len([name for name in fine if name.startswith("loss_discriminator_anime_part")]) == 4


def test_the_generator_is_told_where_the_photo_has_its_points_and_held_to_it() -> None:
    module, batch = assisted(), batch_of()
    told: list[Tensor] = []
    module.generators.to_anime.register_forward_pre_hook(lambda _, inputs: told.append(inputs[0].detach()))
    scalars = module.training_step(batch, 0)
    photo, anime = photo_of(batch), batch.image_BCHW
    points = assistant_of(module).finds_in_photo.points(photo)
    torch.testing.assert_close(told[0][:2], torch.cat([photo, heat_maps(points, SIZE)], dim=1))
    own = assistant_of(module).finds_in_anime.points(anime)
    torch.testing.assert_close(told[0][2:], torch.cat([anime, heat_maps(own, SIZE)], dim=1))
    assert scalars["loss_landmarks"] > 0
    assert module.sample(batch.condition, [0, 1]).shape == (2, 3, SIZE, SIZE)


def test_finders_are_frozen_but_their_slope_reaches_the_generator() -> None:
    module = assisted(conditional=0.0, local=0.0, consistency=100.0)
    finder = assistant_of(module).finds_in_anime
    before = copy.deepcopy(finder.state_dict())
    module.loss = SimpleNamespace(  # type: ignore[assignment]
        generator=lambda logits: logits.sum() * 0, discriminator=lambda real, made: (real.sum() + made.sum()) * 0
    )
    module.cycle = module.identity = 0.0
    scalars = module.training_step(batch_of(), 0)
    assert scalars["gradient_norm_generators"] > 0
    assert all(
        torch.equal(before[name], value) for name, value in assistant_of(module).finds_in_anime.state_dict().items()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cycle": -1.0}, "cycle is -1.0"),
        ({"noise": -0.1}, "noise -0.1"),
        ({"pool": -1}, "pool -1"),
        ({"constant": 1.0}, "model.constant=1.0: give a share"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        unattached(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"consistency": -1.0}, "consistency is -1.0"),
        ({"fine_from": 1.5}, "fine_from is 1.5"),
        ({"finder_images": 3}, "finder_images is 3"),
    ],
)
def test_options_of_landmarks_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Landmarks(**options)


def test_a_penalty_a_picture_is_refused() -> None:
    with pytest.raises(UserError, match="not made for patches"):
        CycleGAN(SIZE, ResNet(4, 1), Patch(4), DRAGAN())
