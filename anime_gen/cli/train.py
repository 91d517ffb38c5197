"""fit, validate, test, predict and resume: LightningCLI over the suite's one DataModule and any family."""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from anime_gen.contract import GenerativeModule, UserError
from anime_gen.data import AnimeFaces

RUN_VARIABLE = "ANIME_GEN_RUN"

# What the data decides and a family may ask for, by the name of its constructor's parameter.
LINKS = ("image_size", "num_tags", "attribute_sizes", "num_landmarks")


class OneLineParser(LightningArgumentParser):
    """Says what is wrong with the command line or a YAML file in one line."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        raise UserError(one_line(message)) from ex


def one_line(message: str) -> str:
    """The heart of jsonargparse's message: which key, and what is the matter with it.

    Its text nests one complaint for each type that a key might have had; the reader wants the outermost key and the
    innermost complaints.
    """
    noise = re.compile(
        r"(Does not validate against any of the Union subtypes|Subtypes: \[.*?\]$|Errors:$|Given value.*"
        r"|Expected a <class 'NoneType'>|Subclass types expect one of:|a class path \(str\)|a dict with.*)"
    )
    lines = [noise.sub("", line.strip(" -")).strip(" :") for line in message.splitlines()]
    text = ": ".join(dict.fromkeys(filter(None, lines)))
    text = re.sub(r"\s+", " ", re.sub(r"Parser key \"([^\"]+)\"", r"\1", text))
    return text if len(text) < 500 else text[:500] + " ..."


class SuiteCLI(LightningCLI):
    """`--run` names the run folder; everything else is Lightning's."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        # A misspelt key is a mistake, not the abbreviation of another one.
        parser = OneLineParser(**{**kwargs, "allow_abbrev": False})
        parser.add_argument("-c", "--config", action="config", help="YAML file of settings; later ones win")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run", type=str | None, default=None, help="run folder; default runs/<family>/<time>")
        for name in LINKS:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def _parse_ckpt_path(self) -> None:
        """Lightning would merge the checkpoint's hyperparameters into the configuration, linked ones that a family
        does not take included. A run's config.yaml has them all, and keys on the command line must win."""

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand] if self.subcommand else self.config
        family = config.model.class_path.split(".families.")[-1].split(".")[0]
        # Further ranks are started as commands of their own: the folder is named once, for all of them.
        run = config.run or os.environ.get(RUN_VARIABLE) or f"runs/{family}/{time.strftime('%Y%m%d-%H%M%S')}"
        os.environ[RUN_VARIABLE] = config.run = str(run)
        folder = Path(run)
        if self.subcommand == "fit" and not config.ckpt_path and "LOCAL_RANK" not in os.environ:
            claim(folder)
        config.trainer.default_root_dir = str(folder)
        if config.trainer.precision is None:
            config.trainer.precision = fastest_precision(config.trainer.accelerator)
        if config.trainer.strategy == "auto" and several(config.trainer):
            # Alternating updates leave one network's parameters without gradients in each backward pass.
            config.trainer.strategy = "ddp_find_unused_parameters_true"

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        config = self.config[self.subcommand] if self.subcommand else self.config
        kwargs.setdefault("logger", TensorBoardLogger(config.run, name="", version="", sub_dir=""))
        trainer: L.Trainer = super().instantiate_trainer(**kwargs)
        return trainer


def claim(folder: Path) -> None:
    """Makes the run folder.

    Raises:
        UserError: it holds a run already, or cannot be made.
    """
    if (folder / "config.yaml").exists():
        raise UserError(f"{folder} holds a run already: give another --run (NAME=...), or go on with RESUME={folder}")
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise UserError(f"--run: cannot make {folder} ({reason.strerror})") from reason


def several(trainer: Namespace) -> bool:
    """Whether the trainer will start more than one process."""
    devices = trainer.devices
    if isinstance(devices, str) and devices.lstrip("-").isdigit():
        devices = int(devices)
    if isinstance(devices, list):
        count = len(devices)
    elif devices in (-1, "auto"):
        on_gpu = trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        count = torch.cuda.device_count() if on_gpu else 1
    else:
        count = int(devices)
    return count * int(trainer.num_nodes) > 1


def fastest_precision(accelerator: str) -> str:
    """bfloat16 autocast where the hardware multiplies it natively, else float32. Recorded in the run's config."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "bf16-mixed" if "avx512_bf16" in flags or "amx_bf16" in flags else "32-true"


def quiet() -> None:
    """Silences what Lightning tells every user at every start and no user can act on."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).addFilter(
            lambda record: not re.search(r"available: |used: |TPU|HPU|💡|Tip:|litlogger|litmodels", record.getMessage())
        )
    for text in (
        r".*does not have many workers.*",
        r".*number of training batches .* is smaller than the logging interval.*",
        r".*Checkpoint directory .* exists and is not empty.*",
        r"LightningCLI's args parameter .*",
        r".*LeafSpec.*",
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*`lr_scheduler.step\(\)` before `optimizer.step\(\)`.*",
    ):
        warnings.filterwarnings("ignore", message=text)


def suite(arguments: list[str], run: bool = True) -> SuiteCLI:
    """The suite's command line; `run=False` only builds data, family and trainer, and takes no subcommand."""
    quiet()
    return SuiteCLI(
        GenerativeModule,
        AnimeFaces,
        subclass_mode_model=True,
        args=arguments,
        run=run,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        save_config_callback=SaveConfigCallback if run else None,
        save_config_kwargs={"overwrite": True},
        parser_kwargs={
            "prog": "anime-gen",
            "description": "Settings come from YAML files (--config, later ones win) and keys.",
        },
    )


def main(verb: str, arguments: list[str]) -> None:
    """One of Lightning's subcommands, on the suite's data and families."""
    suite([verb, *arguments])


def resume(verb: str, arguments: list[str]) -> None:
    """`resume RUN [keys]`: fit with the run's own settings, from its last checkpoint."""
    if not arguments or arguments[0].startswith("-"):
        raise UserError("resume: name the run folder, such as runs/diffusion/NAME")
    folder = Path(arguments[0])
    config, checkpoint = folder / "config.yaml", folder / "checkpoints" / "last.ckpt"
    if not config.exists():
        raise UserError(f"{folder} is no run (it has no config.yaml); runs lie under runs/<family>/<name>")
    if not checkpoint.exists():
        raise UserError(f"{folder} has no checkpoints/last.ckpt yet: nothing to go on from; start it anew")
    main("fit", ["--config", str(config), "--run", str(folder), "--ckpt_path", str(checkpoint), *arguments[1:]])
