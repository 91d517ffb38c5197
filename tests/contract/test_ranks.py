"""Two processes train as one does that works through both halves of each batch: every family, 20 steps, in float64.

The one process knows nothing of DistributedDataParallel: it holds the family twice, and says itself, in `Half`, what
two ranks agree on and what is each one's own.
"""

import copy
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor

from anime_gen.blocks.augment.ada import ADA
from anime_gen.callbacks import EMA
from anime_gen.cli.train import SEVERAL, suite
from anime_gen.contract import GenerativeModule
from anime_gen.data import AnimeFaces
from anime_gen.data.sampler import Stream
from tests.conftest import FORKS, as_rank, free_port
from tests.golden.small import FAMILIES, NothingIsZero, words

STEPS = 20
RANKS = 2
BATCH = 8
PICTURES = 64

# Buffers that each rank fills from its own part of the batches.
OWN = ("running_mean", "running_var", "remembered_2NCHW")

Found = dict[str, Tensor]


def train(model: GenerativeModule, data: AnimeFaces, **how: Any) -> Found:
    """What this rank is left with: every weight and buffer, the average, the optimisers, and each step's scalars."""
    said: list[dict[str, Tensor]] = []
    buffers: Found = {}

    class Look(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            one = {name: torch.as_tensor(value) for name, value in outputs.items()}
            if not said:  # some are measured in the first step alone
                buffers.update({f"first {name}": buffer.clone() for name, buffer in pl_module.named_buffers()})
            said.append(one | {"pictures": batch.index_B, "stream": torch.tensor(torch.initial_seed())})

        def on_train_end(self, trainer, pl_module):
            with average.standing_in(pl_module):  # as for a grid
                pl_module.agree()
                buffers.update({f"agreed {name}": buffer.clone() for name, buffer in pl_module.named_buffers()})

    average = EMA()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        precision="64-true",  # a game of GANs amplifies what is rounded
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[NothingIsZero(), average, Look()],
        **how,
    )
    torch.manual_seed(0)
    trainer.fit(model, data)
    assert len(said) == STEPS
    # The steps first: what differs is then named where it began.
    found = {f"step {step} {name}": value for step, one in enumerate(said) for name, value in one.items()}
    found |= buffers
    found |= {f"weights {name}": value for name, value in model.state_dict().items()}
    found |= {f"average {name}": value for name, value in average.shadow.state_dict().items()}
    for number, optimizer in enumerate(trainer.optimizers):
        for parameter, state in optimizer.state_dict()["state"].items():
            found |= {f"optimizer {number} {parameter} {name}": torch.as_tensor(value) for name, value in state.items()}
    return found


# --------------------------------------------------------------------------------------------------------------------
# Two processes


def one_rank(rank: int, told: list[str], port: int, file: Path) -> None:
    torch.set_num_threads(1)
    cli = suite(told, run=False)
    os.environ |= as_rank(rank, RANKS, port)
    torch.save(train(cli.model, cli.datamodule, devices=RANKS, strategy=SEVERAL), file)


def of_two_processes(told: list[str], folder: Path) -> list[Found]:
    port = free_port()
    files = [folder / f"{rank}.pt" for rank in range(RANKS)]
    ranks = [FORKS.Process(target=one_rank, args=(rank, told, port, file)) for rank, file in enumerate(files)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    assert [process.exitcode for process in ranks] == [0] * RANKS
    return [torch.load(file, weights_only=True) for file in files]


# --------------------------------------------------------------------------------------------------------------------
# One process


class Meeting:
    """Where the two halves of a batch meet; between two meetings one of them runs, with random streams of its own."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._all_are_here = Barrier(RANKS, timeout=300)
        self._brought: list[Any] = [None] * RANKS

    def both(self, rank: int, value: Any) -> list[Any]:
        """What each of the two has brought."""
        self._brought[rank] = value
        own = torch.get_rng_state(), torch.get_default_dtype()
        self._turn.release()
        self._all_are_here.wait()
        brought = list(self._brought)
        self._all_are_here.wait()  # and nobody brings the next before all have taken these
        self._turn.acquire()
        torch.set_rng_state(own[0])
        torch.set_default_dtype(own[1])
        return brought

    def run(self, of_rank: Callable[[int], Found]) -> list[Found]:
        def alone(rank: int) -> Found:
            self._turn.acquire()
            try:
                return of_rank(rank)
            except BaseException:
                self._all_are_here.abort()
                raise
            finally:
                self._turn.release()

        usual = torch.get_default_dtype()
        with ThreadPoolExecutor(RANKS) as threads:
            halves = [threads.submit(alone, rank) for rank in range(RANKS)]
        torch.set_default_dtype(usual)
        failed = [half.exception() for half in halves if half.exception()]
        for error in sorted(failed, key=lambda error: "Barrier" in type(error).__name__):
            raise error
        return [half.result() for half in halves]


class Half(SingleDeviceStrategy):
    """What two ranks agree on: gradients, and what is summed over ranks.

    All else is each one's own: its half of the batch, its random streams, its pools, its BatchNorms. Whose running
    statistics the next step begins with is no matter to training; Lightning hands on the first rank's where it does
    the optimiser's steps itself.
    """

    def __init__(self, rank: int, meeting: Meeting) -> None:
        super().__init__()
        self.global_rank = rank
        self.world_size = RANKS
        self.meeting = meeting

    @property
    def is_global_zero(self) -> bool:
        return self.global_rank == 0

    def both(self, value: Any) -> list[Any]:
        return self.meeting.both(self.global_rank, value)

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        return copy.deepcopy(self.both(obj)[src])

    def all_gather(self, tensor: Tensor, group: Any = None, sync_grads: bool = False) -> Tensor:
        return torch.stack(self.both(tensor.clone()))

    def reduce(self, tensor: Tensor, group: Any = None, reduce_op: Any = "mean") -> Tensor:
        total = self.all_gather(tensor).sum(0)
        return total if reduce_op == "sum" else total / RANKS

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        if self.lightning_module.automatic_optimization:
            buffers = [buffer.clone() for buffer in self.lightning_module.buffers()]
            for own, first in zip(self.lightning_module.buffers(), self.both(buffers)[0], strict=True):
                own.copy_(first)
        return super().training_step(*args, **kwargs)

    def post_backward(self, closure_loss: Tensor) -> None:
        """The mean of both gradients; a half in which a parameter had no part counts as 0."""
        parameters = list(self.lightning_module.parameters())
        mine = [None if parameter.grad is None else parameter.grad.clone() for parameter in parameters]
        for parameter, *grads in zip(parameters, *self.both(mine), strict=True):
            there = [grad for grad in grads if grad is not None]
            if there:
                # In the layout of the parameter, or a fused step would take one number for another.
                parameter.grad = torch.zeros_like(parameter).copy_(torch.stack(there).sum(0) / RANKS)


def of_one_process(told: list[str], patch: pytest.MonkeyPatch) -> list[Found]:
    cli = suite(told, run=False)
    meeting = Meeting()
    halves = {rank: copy.deepcopy(cli.model) for rank in range(RANKS)}
    observe = ADA.observe

    def of_all(augment: ADA, real_logits: Tensor) -> None:
        """As one rank that sees the whole batch."""
        rank = next(rank for rank, half in halves.items() if getattr(half, "augment", None) is augment)
        observe(augment, torch.cat(meeting.both(rank, real_logits)))

    patch.setattr(ADA, "observe", of_all)
    return meeting.run(
        lambda rank: train(halves[rank], copy.deepcopy(cli.datamodule), devices=1, strategy=Half(rank, meeting))
    )


QUICK = ("dcgan",)


@pytest.mark.parametrize(
    "family", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_two_processes_train_as_one(family, style, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)  # for the pictures
    monkeypatch.delenv("ANIME_GEN_RUN", raising=False)
    told = [*words(family, style), f"--data.epoch_images={BATCH * STEPS}"]
    processes = of_two_processes(told, tmp_path)
    for rank, (found, expected) in enumerate(zip(processes, of_one_process(told, monkeypatch), strict=True)):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert torch.allclose(found[name], value, rtol=1e-5, atol=1e-5), f"rank {rank}: {name}"
    # What the family's own code has the ranks agree on, or not: the one process runs it, too.
    first, second = processes
    for name in first:
        own = name.startswith("step ") or (name.endswith(OWN) and not name.startswith("agreed "))
        if not own:
            assert torch.allclose(first[name], second[name], rtol=1e-9, atol=1e-9), f"ranks differ: {name}"
    streams = {int(found[f"step {step} stream"]) for found in processes for step in range(STEPS)}
    assert len(streams) == RANKS * STEPS, "each rank draws its own noise in each step"
    pictures = torch.cat([found[f"step {step} pictures"] for step in range(STEPS) for found in processes])
    assert pictures.tolist() == Stream(PICTURES, 0).at(np.arange(BATCH * STEPS))[0].tolist()
