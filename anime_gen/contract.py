"""What everyone shares: what a batch is, and what a family promises.

Suffixes tell shapes: B batch, C channels, H height, W width, K landmarks, T tags, A attribute groups.
What may be known of a picture: `anime_gen.conditions`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import lightning as L
import torch
from torch import Tensor, nn

from anime_gen.conditions import Condition as Condition
from anime_gen.errors import UserError as UserError
from anime_gen.noise import Noise, Seed, normal
from anime_gen.settings.aliases import seconds_of, weights_today

# Shown on the way to a picture: the share that is done, in [0, 1], and what there is, (B, 3, H, W) in about [-1, 1].
# What it raises ends the sampling.
type Preview = Callable[[float, Tensor], None]


def unseen(done: float, image_BCHW: Tensor) -> None:
    """Nobody looks at a preview."""


class Stopwatch:
    """Wall seconds of a run over all its sittings: between `start` and now, and those of `earlier` ones."""

    def __init__(self) -> None:
        self.earlier = 0.0
        self._since: float | None = None

    def start(self) -> None:
        self._since = time.monotonic()

    def seconds(self) -> float:
        return self.earlier + (time.monotonic() - self._since if self._since is not None else 0.0)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time within is none of the run's."""
        began = time.monotonic()
        yield
        if self._since is not None:
            self._since += time.monotonic() - began


class Batch(NamedTuple):
    """Pictures and what is known of them."""

    image_BCHW: Tensor  # float32 in [-1, 1]
    condition: Condition
    index_B: Tensor  # int64: position in the split, so that a score can tell pictures apart


class GenerativeModule(L.LightningModule, ABC):
    """What every family promises. Callbacks, metrics and reports know nothing else of it.

    A family implements `averaged`, `generate`, `training_step` (which returns a dict of scalars: the key `loss` is
    what Lightning optimises, every key is plotted against images shown) and `configure_optimizers`. It takes what the
    data decides (`image_size`, `num_tags`, `attribute_sizes`, `num_landmarks`) as plain constructor parameters of
    those names, each only if it needs it: the CLI links them.
    """

    # How many pictures one forward pass of `sample` holds. Fixed, because convolutions round differently for
    # different batch sizes, and a picture must not depend on the batch it was made in.
    chunk: int = 64

    # How this family samples (steps, guidance, truncation ...): a frozen dataclass of its own, or None where there is
    # nothing to set. `anime-gen sample` offers its fields as options.
    settings: Any = None

    # What is typed behind `anime-gen` to get pictures out of a run: its folder stands for {run}. A kind of family that
    # another verb serves names that one: a run's last words suggest it, and `sample` points to it.
    pictures_by: ClassVar[str] = "sample {run} --seeds 0-63 --out grid.png"

    # Whether the weights stay what they are, as an opened run's do: what belongs to them is then measured once.
    fixed: bool = False

    # The run folder that the weights were loaded from, where they were: a family may keep more beside them.
    run_folder: Path | None = None

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        # Training pictures shown so far, over all ranks: the axis of every curve, and the position in the data from
        # which a resumed run goes on. A number of the host's, so that reading it never waits for the accelerator.
        self.images_shown = 0
        # What the run has taken so far, scoring included.
        self.stopwatch = Stopwatch()
        self._run_seed = 0
        self._settled = False

    @property
    def needs(self) -> frozenset[str]:
        """The `Condition` fields this family is told; the DataModule loads no others. Empty: unconditional."""
        return self.needs_for(self.settings)

    def needs_for(self, settings: Any) -> frozenset[str]:
        """What it must be told to be sampled with these settings."""
        return frozenset()

    @property
    def varies(self) -> bool:
        """Does a picture differ with its seed, too, or with its condition alone?"""
        return True

    @property
    @abstractmethod
    def averaged(self) -> nn.Module:
        """The network whose moving average `sample` runs."""

    @property
    def period(self) -> int:
        """Batches after which the work of a step repeats: a lazy regulariser has its turn once in so many."""
        return 1

    @abstractmethod
    def generate(self, condition: Condition, noise: Noise, settings: Any, preview: Preview) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1], one for each stream of `noise`; `averaged` is in eval mode, no gradients.

        Picture i may depend only on row i of the condition and stream i.

        Args:
            condition: the fields that `settings` need.
            noise: B streams.
            settings: of the type of `self.settings`.
            preview: to be shown what there is on the way, by families that have it.
        """

    @torch.no_grad()
    def sample(
        self, condition: Condition, seeds: Sequence[Seed], settings: Any = None, preview: Preview = unseen
    ) -> Tensor:
        """Picture i depends only on the weights, condition row i and seed i: never on the batch or on the ranks.

        (Products of matrices round a row by its place in the batch on some processors: by less than 1e-5 in all.)

        Args:
            condition: N rows; parts this family does not need are ignored.
            seeds: N integers, or places near one.
            settings: how to sample; None: as the family's own say.
            preview: is shown what there is of each chunk of pictures on the way.

        Returns:
            (N, 3, H, W) float32 in [-1, 1].
        """
        settings = self.settings if settings is None else settings
        told = condition.only(self.needs_for(settings)).map(lambda part: part.to(self.device))

        def draw(rows_B: Tensor) -> Tensor:
            noise = Noise([seeds[row] for row in rows_B.tolist()], self.device)
            return self.generate(told.rows(rows_B.to(self.device)), noise, settings, preview)

        return self._in_chunks(draw, len(seeds))

    def settle(self) -> None:
        """Measures what belongs to the weights that are in place, trained or averaged, before they make pictures."""

    def _in_chunks(self, draw: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Joins what `draw` makes of rows 0 to `count` - 1, `chunk` row numbers at a time; the last one is repeated."""
        was_training = self.averaged.training
        if not (self.fixed and self._settled):
            self.settle()
            self._settled = True
        self.averaged.eval()
        pictures = []
        for start in range(0, count, self.chunk):
            made = draw(torch.arange(start, start + self.chunk).clamp(max=count - 1))
            pictures.append(made[: count - start].float().clamp(-1, 1))
        self.averaged.train(was_training)
        return torch.cat(pictures)

    def on_fit_start(self) -> None:
        self._run_seed = torch.initial_seed()
        self.stopwatch.start()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Makes the randomness of a step a function of (run seed, images shown, rank).

        Nothing has to be saved for a resumed run to draw what the uninterrupted one would have drawn.
        """
        torch.manual_seed(mix(self._run_seed, self.images_shown, self.global_rank))
        self.images_shown += batch.image_BCHW.shape[0] * self.trainer.world_size

    def agree(self) -> None:
        """Every rank draws and judges with the buffers of the first, as whoever opens its checkpoint will.

        In training BatchNorms keep statistics of the part of the batches that their own rank has seen.
        """
        if self.trainer.world_size > 1:
            first = self.trainer.strategy.broadcast([buffer.cpu() for buffer in self.buffers()])
            for buffer, agreed in zip(self.buffers(), first, strict=True):
                buffer.copy_(agreed)

    def on_validation_start(self) -> None:
        self.agree()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Names the class, so that a checkpoint can be sampled without its configuration or its data."""
        checkpoint["family"] = f"{type(self).__module__}.{type(self).__qualname__}"
        checkpoint["images_shown"] = self.images_shown
        checkpoint["seconds"] = self.stopwatch.seconds()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.images_shown = checkpoint["images_shown"]
        self.stopwatch.earlier = seconds_of(checkpoint)
        checkpoint["state_dict"] = weights_today(checkpoint["state_dict"])

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Samples one picture for each of the batch's conditions; the scoring callback compares them."""
        return self.sample(batch.condition, batch.index_B.tolist())

    test_step = validation_step
    predict_step = validation_step


class Translator(GenerativeModule):
    """A family that makes this domain's picture of another domain's (a face of a photo), and one of that of this."""

    pictures_by = "translate {run} --out translations"

    def needs_for(self, settings: Any) -> frozenset[str]:
        return frozenset({"source_BCHW"})

    @abstractmethod
    def generate_back(self, image_BCHW: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of the other domain; `averaged` is in eval mode, no gradients. As `generate`."""

    @torch.no_grad()
    def back(self, image_BCHW: Tensor) -> Tensor:
        """The other domain's picture of each of these; it depends only on the weights and on that one.

        Args:
            image_BCHW: (N, 3, H, W) in [-1, 1].

        Returns:
            (N, 3, H, W) float32 in [-1, 1].
        """
        image_BCHW = image_BCHW.to(self.device)
        return self._in_chunks(lambda rows_B: self.generate_back(image_BCHW[rows_B.to(self.device)]), len(image_BCHW))

    @abstractmethod
    def believed(self, image_BCHW: Tensor, photo_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """How much of each picture the discriminators take for real: shares of the logits in [0, 1], (N,) each.

        Args:
            image_BCHW: pictures of this domain, (N, 3, H, W).
            photo_BCHW: pictures of the other, (N, 3, H, W).
        """


class LatentSpace(GenerativeModule):
    """A family that turns pictures into smaller latents and back, so that another one may work on those.

    Attributes:
        latent_channels: C of the latents.
        factor: pixels along a side of one place of the latents.
    """

    latent_channels: int
    factor: int

    @abstractmethod
    def encode(self, image_BCHW: Tensor) -> Tensor:
        """Latents (B, latent_channels, H / factor, W / factor) of pictures (B, 3, H, W) in [-1, 1].

        Over the training pictures each channel has mean 0 and deviation 1. The same picture has the same latents.
        """

    @abstractmethod
    def decode(self, latent_BCHW: Tensor) -> Tensor:
        """Pictures (B, 3, factor * H, factor * W) of latents (B, latent_channels, H, W), about in [-1, 1]."""


class StyleSpace(GenerativeModule):
    """A family that makes pictures of layers of styles (W+), so that another one may look for the styles of a picture.

    Attributes:
        num_layers: L of the styles, the coarse ones first.
        style_width: D of the style of a layer, and of a latent.
    """

    num_layers: int
    style_width: int

    @abstractmethod
    def map(self, z_BD: Tensor, condition: Condition) -> Tensor:
        """Styles (B, L, D), such as `sample` draws, of latents z ~ N(0, I) and what the family is told."""

    @abstractmethod
    def synthesise(self, w_BLD: Tensor, noise: Noise | None = None) -> Tensor:
        """Pictures (B, 3, H, W) of styles, about in [-1, 1].

        Args:
            w_BLD: (B, L, D); it may need a gradient.
            noise: B streams for what no style says, such as the place of a hair; None: that is left out.
        """

    @torch.no_grad()
    def moments(self, condition: Condition, rows: int, latents: int = 1024) -> tuple[Tensor, Tensor]:
        """Mean and deviation (L, D) of the styles of latents, always the same ones.

        Args:
            condition: what is told of them, in turn.
            rows: it has.
            latents: that are averaged over.
        """
        z_ND = normal(latents, self.style_width, generator=torch.Generator().manual_seed(0)).to(self.device)
        w_NLD = self.map(z_ND, condition.rows(torch.arange(latents, device=self.device) % rows))
        return w_NLD.mean(0), w_NLD.std(0)


def usable(device: str) -> str:
    """The device of an option `--device`: "auto" is a GPU where there is one.

    Raises:
        UserError: this machine has no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as reason:
        raise UserError(f"--device {device}: this machine has no such device; use --device cpu") from reason
    return device


def at_least_float32(x: Tensor) -> Tensor:
    """What a half-precision type would round away in a sum is kept; float64 stays what it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def mix(*parts: int) -> int:
    """Hashes integers to one in [0, 2^63): the seed of an independent stream (splitmix64's finaliser, chained)."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
