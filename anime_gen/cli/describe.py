"""describe: a family's networks, parameters, cost and memory, without training or data."""

from __future__ import annotations

import argparse
import copy
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from anime_gen.cli.quiet import quiet
from anime_gen.cli.train import suite
from anime_gen.conditions import FIELDS, Condition, Facts
from anime_gen.contract import Batch, GenerativeModule, UserError
from anime_gen.data import AnimeFaces

SHARED = Path("experiments/shared.yaml")


def example(module: GenerativeModule, data: AnimeFaces, count: int) -> Batch:
    """A batch of the right shapes with nothing real in it, of what the family needs."""
    facts = Facts(module.image_size, data.vocabulary, data.text_width)
    condition = Condition(**{name: FIELDS[name].example(count, facts) for name in sorted(module.needs)})
    return Batch(torch.rand(count, 3, facts.image_size, facts.image_size) * 2 - 1, condition, torch.arange(count))


def parameters(module: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def layers(network: nn.Module, depth: int) -> list[tuple[str, int]]:
    """(name, parameters) of the parts down to a depth, those with parameters only."""
    found = []
    for name, part in network.named_modules():
        if name and name.count(".") < depth and (own := parameters(part)):
            found.append((name, own))
    return found


class Whole:
    """Stands in for the counter's tracker of modules, whose hooks break where a loss differentiates a gradient."""

    parents: ClassVar[set[str]] = {"Global"}

    def __enter__(self) -> Whole:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Zeros(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, convolutions and products of matrices are not worked out: they give zeros of the right shape.

    What they cost is known from their shapes, and all that a network's code may ask of a tensor is still there.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket not in flop_registry:
            return func(*args, **(kwargs or {}))
        shapes = [arg.to("meta") if isinstance(arg, Tensor) else arg for arg in args]
        made = func(*shapes, **(kwargs or {}))
        return tree_map_only(Tensor, zeros, made)


def zeros(like: Tensor) -> Tensor:
    """Of the shape and strides of `like`, on the CPU; the system hands out large ones without writing them."""
    flat = torch.from_numpy(np.zeros(like.untyped_storage().nbytes() // like.element_size(), np.float32))
    return flat.as_strided(like.shape, like.stride())


def counter() -> FlopCounterMode:
    """Counts the floating-point operations of everything within."""
    made = FlopCounterMode(display=False)
    made.mod_tracker = Whole()  # type: ignore[assignment]
    return made


@contextmanager
def operations() -> Iterator[FlopCounterMode]:
    """Counts floating-point operations of everything within, and does not do the dear ones."""
    with Zeros(), counter() as counted:
        yield counted


def sampling_cost(module: GenerativeModule, batch: Batch) -> int:
    """Multiply-adds of sampling this batch at once: counted, not estimated."""
    module.chunk = len(batch.index_B)
    with operations() as counted:
        module.sample(batch.condition, batch.index_B.tolist())
    return int(counted.get_total_flops()) // 2


class Single(Dataset[Batch]):
    """A data set of one batch."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Batch:
        return self.batch


class Saved:
    """One tensor that autograd keeps for a backward pass; the storages alive are counted, each once."""

    holders: ClassVar[Counter[int]] = Counter()
    alive = 0
    peak = 0

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        storage = tensor.untyped_storage()
        self.key, self.size = storage.data_ptr(), storage.nbytes()
        if not Saved.holders[self.key]:
            Saved.alive += self.size
            Saved.peak = max(Saved.peak, Saved.alive)
        Saved.holders[self.key] += 1

    def __del__(self) -> None:
        Saved.holders[self.key] -= 1
        if not Saved.holders[self.key]:
            Saved.alive -= self.size


def training_cost(module: GenerativeModule, batch: Batch) -> tuple[int, int]:
    """(multiply-adds, peak bytes kept for backward) of a first training step on this batch, in float32."""
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # A copy: a step that only the first batch has, such as a lazy regulariser's, belongs to every count.
    module = copy.deepcopy(module)
    Saved.peak = Saved.alive = 0
    Saved.holders.clear()
    hooks = torch.autograd.graph.saved_tensors_hooks(Saved, lambda kept: kept.tensor)
    with hooks, operations() as counted:
        trainer.fit(module, DataLoader(Single(batch), batch_size=None))
    return counted.get_total_flops() // 2, Saved.peak


def main(verb: str, arguments: list[str]) -> None:
    """Prints what a YAML's family is made of."""
    quiet()
    for name in ("lightning.pytorch", "lightning.fabric"):  # what they say of one step on no data helps nobody
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
    parser = argparse.ArgumentParser(
        prog="anime-gen describe",
        description=__doc__,
        epilog="Keys may follow: --data.image_size=64 ...",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FAMILY.yaml")
    parser.add_argument(
        "--depth", type=int, default=1, help="how far into each network; 9 shows every layer (default 1)"
    )
    options, keys = parser.parse_known_args(arguments)
    yaml: Path = options.file
    if not yaml.is_file():
        raise UserError(f"describe: there is no file {yaml}; the families lie in experiments/family/")
    shared = ["--config", str(SHARED)] if SHARED.exists() else []
    cli = suite([*shared, "--config", str(yaml), *keys], run=False)
    module, data = cli.model, cli.datamodule
    print(f"{yaml}: {type(module).__name__}, pictures of {module.image_size} px, {data.vocabulary}")
    print(f"  is told: {', '.join(sorted(module.needs)) or 'nothing (unconditional)'}")
    for name, network in module.named_children():
        if total := parameters(network):
            averaged = " (averaged, samples)" if network is module.averaged else ""
            print(f"\n{name}{averaged}: {total:,} parameters")
            for part, count in layers(network, options.depth):
                indent = "  " * (1 + part.count("."))
                print(f"{indent + part.rpartition('.')[2]:<36}{count:>14,}")
    print(f"\nall networks: {parameters(module):,} trainable parameters, {parameters(module) * 4 / 2**20:.1f} MiB")
    few, many = (example(module, data, count) for count in (2, 4))
    flops = (sampling_cost(module, many) - sampling_cost(module, few)) // 2  # the difference is what each picture adds
    settings = module.settings or "nothing to set"
    print(f"one sample: {flops / 1e6:,.1f} M multiply-adds; {settings}")
    flops, memory = (
        (big - little) // 2 for little, big in zip(training_cost(module, few), training_cost(module, many), strict=True)
    )
    print(
        f"one training picture: {flops / 1e6:,.1f} M multiply-adds, {memory / 2**20:.2f} MiB kept for the backward "
        "pass (float32)"
    )
