"""Draws faces with a network that `anime-gen export` wrote. Needs torch, numpy, Pillow and diffusers, not anime_gen.

    pipe = DiffusionPipeline.from_pretrained(FOLDER, custom_pipeline=FOLDER, trust_remote_code=True)
    pipe(tags="blue hair, smile, -hat", seeds=range(8)).images[0].save("face.png")

The same seed draws the same picture as `anime-gen sample`.
"""

from __future__ import annotations

import difflib
import inspect
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import (
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    ImagePipelineOutput,
    UniPCMultistepScheduler,
)
from PIL import Image
from torch import Tensor

# Words, numbers and smileys of a caption.
WORD = re.compile(r"[^\W_]+|:[a-z]\b", re.IGNORECASE)


def normal(streams: Sequence[np.random.Generator], shape: Sequence[int]) -> Tensor:
    """Standard normal numbers, (B, *shape), one picture of each stream: torch's differ between processors."""
    return torch.from_numpy(np.stack([stream.standard_normal(shape) for stream in streams])).float()


class AnimeFaces(DiffusionPipeline):
    """Faces with given tags, landmarks, caption and sketch.

    Args:
        denoiser: the network, with `config` and `vocabulary`.
        scheduler: one of diffusers' that steps along the noise levels the network was trained on.
    """

    def __init__(self, denoiser: Any, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(denoiser=denoiser, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        tags: str = "",
        landmarks: Mapping[str, Sequence[float]] | None = None,
        caption: str | Tensor = "",
        sketch: Image.Image | None = None,
        guidance: float | Mapping[str, float] | None = None,
        steps: int | None = None,
        seeds: Sequence[int] = (0,),
        output_type: str = "pil",
        **more: Tensor,
    ) -> ImagePipelineOutput:
        """One picture for each seed; what is not asked for stays open.

        Args:
            tags: words, comma separated; a minus before a word: it must not be there.
            landmarks: name to (x, y) as fractions of the picture.
            caption: free text; the tower's features (D,) for a network whose config.json says so.
            sketch: dark lines on light paper.
            guidance: 1 plain conditional, more follows the conditions harder; one number, or one for each kind.
            steps: evaluations of the network.
            seeds: of the pictures' noise.
            output_type: "pil", or "pt" for a tensor (B, 3, H, W) in [0, 1].
            more: one row of any other condition of config.json by its name, in the form that stands there.

        Raises:
            ValueError: a word is unknown, or the network was trained without something that was asked for.
        """
        config, device = self.denoiser.config, self.device
        steps = config["defaults"]["steps"] if steps is None else steps
        guidance = config["defaults"]["guidance"] if guidance is None else guidance
        streams = [np.random.default_rng(int(seed)) for seed in seeds]
        size = config["image_size"]
        x = normal(streams, (3, size, size)).to(device)

        guided_by = branches(config["kinds"], guidance)
        condition = self.read(tags, landmarks, caption, sketch, more)
        rows = len(guided_by) * len(x)
        inputs = {name: row.to(device).expand(rows, *row.shape[1:]) for name, row in condition.items()}
        for kind in config["kinds"]:
            active = torch.tensor([kind in kinds for kinds, _ in guided_by], device=device)
            inputs[f"active_{kind}"] = active.repeat_interleave(len(x))

        # What a scheduler's step takes differs; these two make all of them do what the network was scored with.
        takes = inspect.signature(self.scheduler.step).parameters
        options: dict[str, Any] = {"use_clipped_model_output": True} if "use_clipped_model_output" in takes else {}
        is_random = self.scheduler.config.get("algorithm_type", "").startswith("sde")
        x = x * self.set_steps(steps)
        for t in self.progress_bar(self.scheduler.timesteps):
            seen = self.scheduler.scale_model_input(x, t) if hasattr(self.scheduler, "scale_model_input") else x
            noise_label = torch.full((rows,), float(t) * config["noise_label_scale"], device=device)
            predictions = self.denoiser(seen.repeat(len(guided_by), 1, 1, 1), noise_label, **inputs)
            parts = zip(guided_by, predictions.chunk(len(guided_by)), strict=True)
            prediction = torch.stack([weight * part for (_, weight), part in parts]).sum(0)
            if isinstance(self.scheduler, FlowMatchEulerDiscreteScheduler):
                # The others clip the picture that a prediction stands for; this one has no option for it.
                sigma = float(t) / self.scheduler.config.num_train_timesteps
                prediction = (x - (x - sigma * prediction).clamp(-1, 1)) / sigma
            if is_random:
                options["variance_noise"] = normal(streams, x.shape[1:]).to(device)
            x = self.scheduler.step(prediction, t, x, **options).prev_sample
        x = x.clamp(-1, 1)
        if output_type == "pt":
            return ImagePipelineOutput(images=x / 2 + 0.5)
        pixels = (x * 127.5 + 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return ImagePipelineOutput(images=[Image.fromarray(np.ascontiguousarray(one)) for one in pixels])

    def set_steps(self, steps: int) -> float:
        """Tells the scheduler its noise levels; returns the deviation of the noise at the first one.

        Where a scheduler takes them they are given explicitly: diffusers' own "trailing" spacing is rounded from an
        accumulated float and visits one level too many at 61 steps, and at some others.
        """
        if isinstance(self.scheduler, FlowMatchEulerDiscreteScheduler):
            self.scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)], device=self.device)
            return 1.0
        levels = self.scheduler.config.num_train_timesteps
        if isinstance(self.scheduler, DPMSolverMultistepScheduler):
            if steps > levels:
                raise ValueError(f"steps={steps}: there are {levels} noise levels; give at most as many")
            trailing = [round(levels - i * levels / steps) - 1 for i in range(steps)]
            self.scheduler.set_timesteps(timesteps=trailing, device=self.device)
            return self.first_deviation()
        self.scheduler.set_timesteps(steps, device=self.device)
        if isinstance(self.scheduler, UniPCMultistepScheduler):
            if steps > levels:
                raise ValueError(f"steps={steps}: there are {levels} noise levels; give at most as many")
            self.scheduler.timesteps = self.scheduler.timesteps[:steps]
            self.scheduler.sigmas = torch.cat([self.scheduler.sigmas[:steps], self.scheduler.sigmas[-1:]])
            self.scheduler.num_inference_steps = steps
            return self.first_deviation()
        return float(self.scheduler.init_noise_sigma)

    def first_deviation(self) -> float:
        """Of the noise in what the scheduler begins with, where the picture's and the noise's squares add up to 1."""
        ratio = float(self.scheduler.sigmas[0])  # sigma / alpha
        return ratio / math.hypot(1, ratio)

    def read(
        self,
        tags: str,
        landmarks: Mapping[str, Sequence[float]] | None,
        caption: str | Tensor,
        sketch: Image.Image | None,
        more: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """What was asked for as one row of each of the network's inputs; "not given" is NaN, -1 or no words."""
        inputs, vocabulary = self.denoiser.config["inputs"], self.denoiser.vocabulary
        rows = {
            name: torch.full((1, *about["shape"][1:]), float(about["not_given"]), dtype=getattr(torch, about["dtype"]))
            for name, about in inputs.items()
            if "not_given" in about
        }
        for what, given, kinds in (
            ("tags", bool(tags), {"tags", "attributes"}),
            ("landmarks", landmarks is not None, {"landmarks"}),
            ("caption", len(caption) > 0, {"text"}),
            ("sketch", sketch is not None, {"sketch"}),
        ):
            if given and not kinds & rows.keys():
                raise ValueError(f"{what}: this network was trained without; leave it out")
        for name, part in more.items():
            if name not in rows:
                raise ValueError(f"{name}: this network takes no such condition; it takes {', '.join(rows)}")
            rows[name][0] = part
        for name, column, value in read_tags(tags, vocabulary):
            if name in rows:
                rows[name][0, column] = value
        for name, point in (landmarks or {}).items():
            if name not in vocabulary["landmarks"]:
                raise ValueError(f"landmarks: {name!r} is none of {', '.join(vocabulary['landmarks'])}")
            rows["landmarks"][0, vocabulary["landmarks"].index(name)] = torch.tensor(point, dtype=torch.float32)
        if isinstance(caption, Tensor):
            rows["text"][0] = caption
        elif caption:
            if rows["text"].is_floating_point():
                raise ValueError("caption: this network reads the features of a text tower; give them as a tensor (D,)")
            numbers = caption_numbers(caption, inputs["text"], vocabulary)
            rows["text"][0, : len(numbers)] = torch.tensor(numbers)
        if sketch is not None:
            rows["sketch"][0, 0] = 1 - torch.from_numpy(square(sketch, self.denoiser.config["image_size"])) / 255
        return rows


def branches(kinds: Sequence[str], guidance: float | Mapping[str, float]) -> list[tuple[list[str], float]]:
    """What to tell the network, and the weight of each answer (Brooks et al. 2023, eq. 3, the tightest kind first).

    Args:
        kinds: from the loosest to the tightest.
        guidance: one scale for all, or one for each kind (1 where unnamed).
    """
    if isinstance(guidance, Mapping) and (unknown := sorted(set(guidance) - set(kinds))):
        raise ValueError(f"guidance: {unknown[0]!r} is none of {', '.join(kinds)}")
    active: list[str] = []
    nested = [(active, 1.0)]
    for kind in reversed(kinds):
        scale = float(guidance.get(kind, 1.0) if isinstance(guidance, Mapping) else guidance)
        outer, weight = nested[-1]
        active = [*active, kind]
        nested[-1:] = [(outer, weight - scale), (active, scale)]
    return [(active, weight) for active, weight in nested if weight != 0]


def spelled(word: str, vocabulary: dict[str, Any]) -> str:
    """A word as the vocabulary spells it: lower case, spaces for underscores, other spellings resolved."""
    word = " ".join(word.replace("_", " ").lower().split())
    return str(vocabulary["aliases"].get(word, word))


def read_tags(text: str, vocabulary: dict[str, Any]) -> list[tuple[str, int, int]]:
    """("tags" or "attributes", column, value) for each word of "blue hair, smile, -hat"."""
    found: dict[tuple[str, int], int] = {}
    for raw in filter(None, (part.strip() for part in text.split(","))):
        absent = raw.startswith("-") and len(raw) > 1
        word = "=".join(spelled(part, vocabulary) for part in raw.removeprefix("-" if absent else "").split("=", 1))
        known = vocabulary["words"].get(word, {})
        places = {("tags", known["tag"]): int(not absent)} if "tag" in known else {}
        if "attribute" in known and not absent:
            group, index = known["attribute"]
            places["attributes", group] = index
        if not places:
            near = difflib.get_close_matches(word, vocabulary["words"], n=3)
            raise ValueError(f"tags: {raw!r} is not in this model's vocabulary; near: {', '.join(near) or 'nothing'}")
        for place, value in places.items():
            if found.setdefault(place, value) != value:
                raise ValueError(f"tags: {raw!r} contradicts what was asked before it; leave one of the two out")
    return [(kind, column, value) for (kind, column), value in found.items()]


def caption_numbers(caption: str, about: dict[str, Any], vocabulary: dict[str, Any]) -> list[int]:
    """One number in [1, `tokens`) for each word; words after the last place are lost."""
    words = [word for part in caption.split(",") for word in WORD.findall(spelled(part, vocabulary))]
    return [1 + zlib.crc32(word.encode()) % (about["tokens"] - 1) for word in words[: about["shape"][1]]]


def square(picture: Image.Image, size: int) -> np.ndarray:
    """The centre square over white, (size, size) float32 in 0 .. 255, the mean of the three colours."""
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture.convert("RGBA"))
    side = min(paper.size)
    left, top = (paper.width - side) / 2, (paper.height - side) / 2
    box = (left, top, left + side, top + side)
    small = paper.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, box)
    return np.asarray(small, np.float32).mean(-1)
