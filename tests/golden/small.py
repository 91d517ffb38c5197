"""Every family made so small that its first steps take seconds, on pictures of coloured squares."""

from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch

from anime_gen.cli.bases import with_bases
from anime_gen.noise import normal_

ROOT = Path(__file__).resolve().parent.parent.parent
FAMILIES = [path.stem for path in sorted((ROOT / "experiments/family").glob("*.yaml"))]


def words(family: str, style: Callable[..., Path]) -> list[str]:
    """What `suite` is told. The pictures are `golden.blocks`: the folder of tests must be on the path."""
    yamls = ["-c", f"{ROOT}/experiments/shared.yaml", "-c", f"{ROOT}/experiments/family/{family}.yaml"]
    small = ["--data.source=golden.blocks.Blocks", "--data.batch_size=8", "--data.epoch_images=64",
             "--data.image_size=16"]  # fmt: skip
    files = with_bases(ROOT / f"experiments/family/{family}.yaml")
    yaml = "".join(path.read_text() for path in files)
    if "other_domain" in yaml:
        small += ["--data.other_domain=golden.blocks.Blocks", "--data.other_domain.seed=1", "--data.image_size=32"]
    if "finder_images" in yaml:
        small.append("--model.landmarks.finder_images=64")
    if "channel_max: 512" in yaml:
        small += ["--model.width=32", "--model.channel_max=32"]
    if "style: null" in yaml:
        small.append(f"--model.style={style(*small)}")
    if "families.diffusion" in yaml:
        small.append("--model.optimizer.warmup_images=0")  # or six steps change nothing
    return [*yamls, *small]


class NothingIsZero(L.Callback):
    """Layers that begin at zero would hide the rest of the network from the loss."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        generator = torch.Generator().manual_seed(1)
        for parameter in pl_module.parameters():
            if not parameter.any():
                normal_(parameter, std=0.02, generator=generator)
