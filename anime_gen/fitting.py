"""Training of the small networks beside the families: the tagger, the judge, a classifier, finders of landmarks.

Lightning trains the families, with their several optimisers, scorings and devices. These have one network, one loss and
one optimiser, and are done in minutes. Whoever trains one says what it loses, on which batches, how long and by which
optimiser; here are the warm-up, the schedule, the randomness, the progress bar, and how a killed training goes on.

Imports nothing else of ours but contract, files and noise.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count as count_from
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from tqdm import tqdm

from anime_gen.contract import UserError, mix
from anime_gen.files import atomic, check_zip
from anime_gen.noise import SameFirstWeights

# Saves come no closer than this: the weights and twice as many moments of them are some ten megabytes.
SAVE_SECONDS = 20.0
# Of time, too: how much of it is over, and what is left, is known whatever a training's length is counted in.
BAR = "{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}"


class Done(NamedTuple):
    """How far a training has come, over all its sittings."""

    images: int = 0  # shown, in batches that taught nothing too
    steps: int = 0  # of the optimiser
    seconds: float = 0.0  # since the first batch was there


# The share of a training that is over; it ends at 1.
type Length = Callable[[Done], float]

# Of an optimiser, and what to ask for the share that is over.
type Schedule = Callable[[Optimizer, Callable[[], float]], LRScheduler]


def for_images(total: int) -> Length:
    """So many pictures: the same training on every machine."""
    return lambda done: done.images / total


def for_steps(total: int) -> Length:
    """So many steps of the optimiser."""
    return lambda done: done.steps / total


def for_minutes(total: float) -> Length:
    """So many minutes from the first batch on: what comes before it, painting say, does not count."""
    return lambda done: done.seconds / (60 * total)


def rise_and_fall(share: float, rise: float = 0.05) -> float:
    """The learning rate as a share of its peak: up a line from a hundredth over the first `rise`, down a cosine to 0.

    Args:
        share: of the training that is over, in [0, 1].
        rise: the length of the warm-up, likewise.
    """
    return min(1.0, 0.01 + share / rise) * (0.5 + 0.5 * math.cos(math.pi * share))


def warm_up_and_cosine(optimizer: Optimizer, share: Callable[[], float]) -> LRScheduler:
    """`rise_and_fall` of the share that is over: torch's own cosine counts steps, and nobody knows how many of those
    some minutes have.
    """
    return LambdaLR(optimizer, lambda _: rise_and_fall(share()))


def adamw(network: nn.Module, lr: float, weight_decay: float) -> AdamW:
    """AdamW that decays matrices and filters; biases and the scales of norms, which overfit nothing, stay."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return AdamW([{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}], lr=lr)


def initialised[Network: nn.Module](build: Callable[[], Network], seed: int) -> Network:
    """A network with the first weights of a seed, the same on every processor; torch's global stream stays as it is."""
    with torch.random.fork_rng(devices=[]), SameFirstWeights():
        torch.manual_seed(seed)
        return build()


class Shown(Protocol):
    """A batch, as far as it matters here: one number for each picture in it."""

    @property
    def index_B(self) -> Tensor: ...


class Rows(NamedTuple):
    """A batch of what is in memory anyway: the numbers of its rows."""

    index_B: Tensor  # int64


def shuffled(rows: int, batch_size: int, seed: int) -> Callable[[int], Iterator[Rows]]:
    """Endless whole batches of row numbers below `rows`, pass after pass, as `fit` takes them.

    The order of a pass is a function of (seed, pass). A batch may have the end of one and the beginning of the next.
    """

    def order(number: int) -> Tensor:
        return torch.randperm(rows, generator=torch.Generator().manual_seed(mix(seed, number, 0)))

    def batches(start: int) -> Iterator[Rows]:
        number, place = divmod(start, rows)
        left = order(number)[place:]
        for following in count_from(number + 1):
            while len(left) >= batch_size:
                yield Rows(left[:batch_size])
                left = left[batch_size:]
            left = torch.cat([left, order(following)])

    return batches


class State:
    """The file from which a training that was killed goes on, whole or absent: `<out>.unfinished`.

    Args:
        out: what the training is for; the file lies beside it.
        settings: everything, by name, that makes this training the one it is, as JSON has it: a file of others is of
            another training, and is not used. The device is none of it.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.path = out.with_name(f"{out.name}.unfinished")
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.saved = Done()
        self._saved_at = time.monotonic()

    def load(self, parts: Mapping[str, Any]) -> Done:
        """Gives the parts the states that were saved, and says so; how far that training was.

        Args:
            parts: by name, what has a `state_dict`.

        Raises:
            UserError: the file is damaged, or of another version.
        """
        if not self.path.exists():
            return self.saved
        try:
            check_zip(self.path)
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            begun = kept["settings"]
            changed = [name for name in {**begun, **self.settings} if begun.get(name) != self.settings.get(name)]
            if not changed:
                self.saved = Done(*kept["done"])
                for name, part in parts.items():
                    part.load_state_dict(kept[name])
        except Exception as reason:  # torch raises whatever a damaged file leads it to
            raise UserError(f"{self.path} cannot be read: delete it to train from the start") from reason
        if changed:
            self._say(f"begun with other settings ({', '.join(changed)}); starting anew")
        else:
            self._say(f"going on after {self.saved.images:,} images")
        return self.saved

    def save(self, parts: Mapping[str, Any], done: Done) -> None:
        """Writes down the parts' states and how far they are."""
        states = {name: part.state_dict() for name, part in parts.items()}
        with atomic(self.path) as draft:
            torch.save({"settings": self.settings, "done": tuple(done), **states}, draft)
        self.saved, self._saved_at = done, time.monotonic()

    def save_when_due(self, parts: Mapping[str, Any], done: Done) -> None:
        """`save`, where the last one is some time ago."""
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self.save(parts, done)

    def say_where(self) -> None:
        """After a Ctrl-C: where the same command goes on, where it does."""
        if self.saved.images:
            self._say(f"stopped; the same command goes on after {self.saved.images:,} images")

    def remove(self) -> None:
        """For when what was trained stands where it should: until then a crash costs nothing."""
        self.path.unlink(missing_ok=True)

    def _say(self, what: str) -> None:
        print(f"{self.path}: {what}", file=sys.stderr)


def progress_bar(**options: Any) -> tqdm[Any]:
    """A bar that goes when it is full; where nobody watches (a log file), a line a minute is enough."""
    return tqdm(leave=False, dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 60.0, **options)


def _optimizer_step(network: nn.Module, optimizer: Optimizer, loss: Tensor, clip: float | None) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()


def fit[B: Shown](
    network: nn.Module,
    loss_of: Callable[[B], Tensor | None],
    batches: Callable[[int], Iterable[B]],
    optimizer: Optimizer,
    length: Length,
    *,
    schedule: Schedule = warm_up_and_cosine,
    seed: int | None = None,
    clip: float | None = None,
    title: str = "training",
    state: State | None = None,
) -> Done:
    """Trains in place, one step a batch, and leaves the network in eval mode.

    With a seed, an uninterrupted training and one that was killed and went on are the same, bit for bit on a CPU.

    Args:
        network: what learns; in the memory format and on the device that it learns in.
        loss_of: a batch, on whatever device -> a scalar; None for a batch that teaches nothing, which costs no step.
        batches: pictures shown so far -> the batches from there on. Training ends where they do, too.
        optimizer: of the network's parameters, at the peak learning rate.
        length: when training ends, and what the schedule follows.
        schedule: of the learning rate; one of torch's own does where steps are counted.
        seed: `loss_of` draws from torch's global stream, which is a function of (seed, images shown) and is given back
            as it was. None: it goes on drawing from that stream, for whoever has seeded it.
        clip: largest norm of all gradients together.
        title: of the progress bar.
        state: whence a training that was killed goes on. It stays until its owner removes it.

    Raises:
        UserError: the state cannot be read.
    """
    done = Done()
    scheduler = schedule(optimizer, lambda: length(done))
    parts = {"network": network, "optimizer": optimizer, "schedule": scheduler}
    if state is not None:
        done = state.load(parts)
    device = next(network.parameters()).device
    network.train()
    try:
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else [], enabled=seed is not None),
            progress_bar(total=1.0, initial=length(done), desc=title, bar_format=BAR) as bar,
        ):
            coming = iter(batches(done.images))
            began: float | None = None
            while length(done) < 1 and (batch := next(coming, None)) is not None:
                if began is None:
                    began = time.monotonic() - done.seconds
                if seed is not None:
                    torch.manual_seed(mix(seed, done.images))
                loss = loss_of(batch)
                if loss is not None:
                    if done.steps:  # the first step has the rate that the schedule began with
                        scheduler.step()
                    _optimizer_step(network, optimizer, loss, clip)
                    if done.steps % 20 == 0:  # reading a loss waits for the device
                        bar.set_postfix_str(f"{done.images:,} images, loss {loss.item():.3f}", refresh=False)
                images, steps = done.images + len(batch.index_B), done.steps + (loss is not None)
                done = Done(images, steps, time.monotonic() - began)
                bar.update(min(1.0, length(done)) - bar.n)
                if state is not None:
                    state.save_when_due(parts, done)
    except KeyboardInterrupt:
        if state is not None:
            state.say_where()
        raise
    if state is not None:
        state.save(parts, done)
    network.eval()
    return done
