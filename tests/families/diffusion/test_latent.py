"""Diffusion in the latent space of a run: what it needs of that run, and that it then needs it no more."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml

from anime_gen.cli.train import suite
from anime_gen.contract import Batch, Condition, GenerativeModule, UserError
from anime_gen.families.diffusion import Diffusion, DiT, LandmarkLatent, ThesisUNet, UNet
from anime_gen.run.trained import load, load_latent_space

SHARED = ("-c", "experiments/shared.yaml")
TINY = {
    "data": {
        "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
        "image_size": 16,
        "batch_size": 8,
        "epoch_images": 32,
        "score_images": 16,
    },
    "trainer": {"max_epochs": 1, "precision": "32-true"},
}
SMALL = {"network": {"init_args": {"channels": [8, 16], "in_channels": 5}}, "settings": {"steps": 2}}


@pytest.fixture(scope="module")
def folder(anime_gen, tmp_path_factory):
    """Runs of an autoencoder of 5 x 4 x 4 latents and of a diffusion on them; the first then lies elsewhere."""
    root = tmp_path_factory.mktemp("latent")
    for name, options in (("space", {"latent_channels": 5, "width": 8}), ("small", SMALL)):
        (root / f"{name}.yaml").write_text(yaml.safe_dump({"model": {"init_args": options}, **TINY}))
    of_space = ("-c", "experiments/family/autoencoder.yaml", "-c", root / "space.yaml")
    of_diffusion = ("-c", "experiments/family/diffusion.yaml", "-c", "experiments/overlay/latent.yaml",
                    "-c", root / "small.yaml", f"--model.latent={root / 'space'}")  # fmt: skip
    for name, options in (("space", of_space), ("diffusion", of_diffusion)):
        done = anime_gen("fit", *SHARED, *options, "--run", root / name)
        assert done.returncode == 0, done.stderr[-3000:]
    shutil.move(root / "space", root / "moved")
    return root


def space_of(module: GenerativeModule) -> dict[str, torch.Tensor]:
    assert isinstance(module, Diffusion)
    assert module.space is not None
    return {name: value.clone() for name, value in module.space.state_dict().items()}


def small(folder, network=None, **options) -> Diffusion:
    torch.manual_seed(0)
    network = network or UNet([8, 16], patch=1, in_channels=5)
    return Diffusion(16, num_landmarks=24, network=network, latent=folder / "moved", **options)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_training_leaves_the_averaged_autoencoder_as_it_was(folder):
    averaged = load(folder / "moved", "last").module.averaged.state_dict()
    was = {f"network.{name}": value for name, value in averaged.items()}
    trained = torch.load(folder / "moved" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert not same(was, trained), "the average is the trained network: this tells nothing"
    assert same(space_of(load(folder / "diffusion", "last").module), was)


def test_the_run_goes_on_and_draws_without_the_autoencoders(folder, here, tmp_path):
    assert not (folder / "space").exists()
    for verb, words in (
        ("sample", (folder / "diffusion", "--seeds", "0-3", "--out", tmp_path / "before.png")),
        ("resume", (shutil.copytree(folder / "diffusion", tmp_path / "on"), "--trainer.max_epochs=2")),
        ("resume", (tmp_path / "on", "--trainer.max_epochs=3")),
        ("test", ("-c", folder / "diffusion" / "config.yaml", "--run", tmp_path / "test",
                  "--ckpt_path", folder / "diffusion" / "checkpoints" / "last.ckpt")),
    ):  # fmt: skip
        done = here(verb, *words)
        assert done.returncode == 0, done.stderr[-3000:]
    first, on = (load(run, "last") for run in (folder / "diffusion", tmp_path / "on"))
    assert (first.images_shown, on.images_shown) == (32, 96)
    assert same(space_of(first.module), space_of(on.module))
    # What a run carries is a space for the next run, too.
    carried, _ = load_latent_space(tmp_path / "on")
    assert same(dict(carried.state_dict()), space_of(on.module))


def test_a_new_run_without_the_autoencoders_is_refused(folder, here, tmp_path):
    done = here("fit", "-c", folder / "diffusion" / "config.yaml", "--run", tmp_path / "new")
    assert done.returncode == 2
    assert f"{folder / 'space'} is no run" in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "new" / "config.yaml").exists()


@pytest.mark.parametrize(
    "network",
    [
        UNet([8, 16], patch=1, in_channels=5),
        UNet([8, 16], patch=2, in_channels=5),
        DiT(32, 2, 2, patch=2, in_channels=5),
    ],
    ids=["unet", "unet, patches of 2", "dit"],
)
def test_pictures_come_of_latents(folder, network):
    module = small(folder, network, sketch=True)
    shapes = []
    network.register_forward_hook(lambda _, args, out: shapes.append((args[0].shape[1:], out.shape[1:])))
    told = Condition(
        landmarks_BK2=torch.rand(2, 24, 2),
        visible_BK=torch.ones(2, 24, dtype=torch.bool),
        sketch_B1HW=torch.rand(2, 1, 16, 16),
    )
    module.chunk = 2
    assert module.sample(told, [0, 1]).shape == (2, 3, 16, 16)
    module.training_step(Batch(torch.rand(2, 3, 16, 16) * 2 - 1, told, torch.arange(2)), 0)["loss"].backward()
    assert set(shapes) == {((5, 4, 4), (5, 4, 4))}
    assert all(p.grad is None for p in module.space.parameters())


def test_the_thesis_network_takes_latents_of_eight_places_or_more(folder):
    with pytest.raises(UserError, match=r"image_size=16.*multiple of 32"):
        small(folder, ThesisUNet(in_channels=5))
    assert ThesisUNet(in_channels=5).stem.layers[0].in_channels == 5


def test_landmarks_keep_what_is_finer_than_a_place(folder):
    """Two points within one 4 x 4 square of pixels are told apart."""
    module = small(folder, landmarks=LandmarkLatent(0.5)).eval()
    encoder = module.network.conditions.encoders["landmarks"]
    patch = module.network.conditions.patch
    assert patch == 4
    latents = [encoder(Condition(landmarks_BK2=torch.full((1, 24, 2), place)), 16, patch)[0] for place in (0.53, 0.72)]
    assert latents[0].shape[-2:] == (4, 4)
    assert float((latents[0] - latents[1]).abs().max()) > 1e-2


def test_the_autoencoder_is_frozen(folder):
    module = small(folder)
    assert not any(p.requires_grad for p in module.space.parameters())
    averaged = {id(p) for p in module.averaged.parameters()}
    assert averaged.isdisjoint(id(p) for p in module.space.parameters())
    module.train()
    assert module.network.training
    assert not any(part.training for part in module.space.modules())


def test_the_sampler_ends_at_latents_within_bounds_and_pictures_within_theirs(folder):
    module = small(folder)
    with torch.no_grad():
        for parameter in module.network.backbone.conv_out.parameters():
            parameter.fill_(50.0)
    made: list[torch.Tensor] = []
    module.space.network.decoder.register_forward_pre_hook(lambda _, args: made.append(args[0]))
    pictures = module.sample(Condition(landmarks_BK2=torch.rand(1, 24, 2)), [0])
    mean, deviation = module.space.network._scales()
    latent = (made[0] - mean) / deviation
    assert 1.5 < float(latent.abs().max()) <= 5.001, "latents are not pictures: they go beyond 1"
    assert float(pictures.abs().max()) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": "moved", "image_size": 32}, "was trained on pictures of 16 pixels; give data.image_size=16"),
        ({"latent": "moved", "network": UNet([8])}, "in_channels=3: the latents have 5 channels.*in_channels=5"),
        ({"network": UNet([8], in_channels=5)}, r"no model.latent.* have 3 channels; give model.network.in_channels=3"),
        ({"latent": "moved", "network": UNet([8, 8, 8, 8], patch=1, in_channels=5)}, "multiple of 32"),
        ({"latent": "nothing"}, "is no run"),
        ({"latent": "pixels.ckpt"}, "a run of Diffusion, which has no latent space; give the run of an autoencoder"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(folder, options, message):
    if options.get("latent") == "pixels.ckpt":
        pixels = torch.load(folder / "diffusion" / "checkpoints" / "last.ckpt", weights_only=True)
        cli = suite([*SHARED, "-c", "experiments/family/diffusion.yaml", "-c", str(folder / "small.yaml"),
                     "--model.network.in_channels=3"], run=False)  # fmt: skip
        pixels.update(hyper_parameters=dict(cli.model.hparams), state_dict=cli.model.state_dict(), callbacks={})
        del pixels["carried"]
        torch.save(pixels, folder / "pixels.ckpt")
    if "latent" in options:
        options = {**options, "latent": folder / options["latent"]}
    with pytest.raises(UserError, match=message) as caught:
        Diffusion(**{"image_size": 16, **options})
    assert "\n" not in str(caught.value)
