"""DCGAN inside Lightning: LightningCLI with the shipped YAMLs, checkpoints, and two processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, default_collate
from yaml import safe_dump, safe_load

from anime_gen.blocks.adversarial import Hinge, NonSaturating, WassersteinGP
from anime_gen.blocks.augment.diffaugment import DiffAugment
from anime_gen.blocks.layers import Norm
from anime_gen.cli.bases import with_bases
from anime_gen.contract import Batch, Condition, GenerativeModule
from anime_gen.families.dcgan.module import DCGAN
from anime_gen.families.dcgan.network import Convolutional
from tests.conftest import as_rank, free_port

FAMILY = Path(__file__).parents[3] / "experiments" / "family"


def collate(rows: list[tuple[torch.Tensor, int]]) -> Batch:
    image_BCHW, index_B = default_collate(rows)
    return Batch(image_BCHW, Condition(), index_B)


class Random(L.LightningDataModule):
    """Pictures of noise."""

    def __init__(self, image_size: int = 16, batch_size: int = 4, rows: int = 12) -> None:
        super().__init__()
        self.image_size, self.batch_size, self.rows = image_size, batch_size, rows

    def train_dataloader(self) -> DataLoader[Batch]:
        stream = torch.Generator().manual_seed(0)
        pictures = torch.rand(self.rows, 3, self.image_size, self.image_size, generator=stream) * 2 - 1
        return DataLoader([(picture, i) for i, picture in enumerate(pictures)], self.batch_size, collate_fn=collate)


class CLI(LightningCLI):
    def add_arguments_to_parser(self, parser) -> None:  # type: ignore[no-untyped-def]
        parser.link_arguments("data.image_size", "model.init_args.image_size", apply_on="instantiate")


def fit(yaml: str, root: Path, *more: str) -> CLI:
    arguments = ["fit"]
    for file in with_bases(FAMILY / yaml):
        model = root / file.name  # what the family says of the suite's data is not for this one
        model.write_text(safe_dump({"model": safe_load(file.read_text())["model"]}))
        arguments.append(f"--config={model}")
    arguments += [f"--data={__name__}.Random", f"--trainer.default_root_dir={root}"]
    arguments += ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.accelerator=cpu"]
    arguments += ["--trainer.logger=false", "--trainer.enable_progress_bar=false", *more]
    return CLI(
        GenerativeModule,
        L.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        args=arguments,
        save_config_callback=None,
        seed_everything_default=1,
    )


@pytest.mark.parametrize(
    ("yaml", "more"),
    [
        ("dcgan.yaml", []),
        ("mlpgan.yaml", []),
        (
            "dcgan.yaml",
            [
                "--model.loss=anime_gen.blocks.WassersteinGP",
                "--model.loss.init_args.weight=3",
                "--model.networks.init_args.norm=layer",
                "--model.spectral_norm=true",
                "--model.augment=anime_gen.blocks.augment.DiffAugment",
                "--model.augment.init_args.cutout=0.25",
            ],
        ),
    ],
)
def test_a_checkpoint_of_the_cli_gives_the_same_model(
    yaml: str, more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["anime-gen"])  # LightningCLI warns where it is given both
    trained = fit(yaml, tmp_path, *more).model
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    loaded = DCGAN.load_from_checkpoint(checkpoint)
    assert loaded.images_shown == trained.images_shown == 8
    assert type(loaded.loss) is type(trained.loss)
    if more:
        assert isinstance(loaded.loss, WassersteinGP)
        assert isinstance(loaded.augment, DiffAugment)
        assert loaded.loss.weight == 3
        assert loaded.augment.cutout == 0.25
    for (name, was), now in zip(trained.state_dict().items(), loaded.state_dict().values(), strict=True):
        assert torch.equal(was, now), name
    seeds = [3, 4]
    assert torch.equal(trained.sample(Condition(), seeds), loaded.sample(Condition(), seeds))


class RanksAgree(L.Callback):
    """Asserts, at the end and on every rank, that both ranks hold the same weights and make the same pictures."""

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, DCGAN)
        mine = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
        for tensor in (mine, module.sample(Condition(), [1, 2])):
            assert torch.isfinite(tensor).all()
            first, second = trainer.strategy.all_gather(tensor)
            assert torch.equal(first, second)
        assert trainer.num_training_batches == 3
        assert module.images_shown == 3 * 4 * 2


GAMES = [
    (NonSaturating(), Norm.batch, False, 1),
    (WassersteinGP(), Norm.layer, False, 2),
    (Hinge(), Norm.batch, True, 1),
]


def train_on(rank: int, port: int, root: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= as_rank(rank, 2, port)
    for game, (loss, norm, spectral_norm, steps) in enumerate(GAMES):
        torch.manual_seed(7)
        networks = Convolutional(4, norm=norm)
        L.Trainer(
            accelerator="cpu",
            devices=2,
            strategy="ddp_find_unused_parameters_true",
            max_epochs=1,
            limit_train_batches=3,
            default_root_dir=root / str(game),
            callbacks=[RanksAgree()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(
            DCGAN(16, networks, loss, z_dim=8, spectral_norm=spectral_norm, discriminator_steps=steps), Random(rows=24)
        )
        (root / f"{game}-{rank}").touch()


def test_two_processes_stay_equal(tmp_path: Path) -> None:
    """BatchNorm's buffers, two passes of D and a second derivative, under one DDP wrapper (traps 9 to 11)."""
    torch.multiprocessing.start_processes(train_on, (free_port(), tmp_path), nprocs=2, start_method="forkserver")
    assert len(list(tmp_path.glob("?-?"))) == 2 * len(GAMES)
