"""Trains a tagger on any labelled pictures: as long as it is given, the learning rate following what is left."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from anime_gen.contract import Batch, UserError, usable
from anime_gen.data import AnimeFaces
from anime_gen.data.cache import write_whole
from anime_gen.files import rounded
from anime_gen.noise import SameFirstWeights, uniform_
from anime_gen.tagging.calibration import calibrate, numbers
from anime_gen.tagging.examine import examine, look_at, table
from anime_gen.tagging.loss import training_loss
from anime_gen.tagging.network import Tagger

PEAK_RATE = 3e-3
# More than any budget shows; the stream makes a batch when it is asked for.
ENDLESS = 10**9


def jittered(image_BCHW: Tensor) -> Tensor:
    """Pictures turned, shifted and scaled a little, each in its own way: another crop is the same face."""
    count = len(image_BCHW)
    angle = uniform_(image_BCHW.new_empty(count), -0.15, 0.15)
    zoom = uniform_(image_BCHW.new_empty(count), 0.85, 1.1)
    shift_B2 = uniform_(image_BCHW.new_empty(count, 2), -0.1, 0.1)
    rows = [
        torch.stack([zoom * angle.cos(), -zoom * angle.sin(), shift_B2[:, 0]], 1),
        torch.stack([zoom * angle.sin(), zoom * angle.cos(), shift_B2[:, 1]], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(image_BCHW.shape), align_corners=False)
    return F.grid_sample(image_BCHW, grid, mode="bilinear", padding_mode="border", align_corners=False)


def fit(tagger: Tagger, batches: Iterable[Batch], spent: Callable[[int], float], **focus: float) -> int:
    """Trains in place until the budget is spent; returns the pictures shown.

    Args:
        batches: of training pictures, enough of them. A batch may be empty.
        spent: pictures shown so far -> share of the budget that is spent; training ends at 1.
        focus: of the tags' loss, see `anime_gen.tagging.loss.asymmetric`.
    """
    decayed = [parameter for parameter in tagger.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in tagger.parameters() if parameter.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}])
    tagger.train().to(memory_format=torch.channels_last)
    device = next(tagger.parameters()).device
    shown = 0
    watched = sys.stderr.isatty()
    with tqdm(unit=" images", desc="training", mininterval=0.2 if watched else 60.0, leave=False) as progress:
        for batch in batches:
            if (part := spent(shown)) >= 1:
                break
            if len(batch.index_B) < 2:  # nothing to take a batch's mean and deviation of
                continue
            for group in optimizer.param_groups:
                group["lr"] = PEAK_RATE * min(1.0, part / 0.05 + 0.01) * (0.5 + 0.5 * math.cos(math.pi * part))
            image = jittered(batch.image_BCHW.to(device)).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                seen = tagger(image)
            loss = training_loss(seen, batch.condition.map(lambda part: part.to(device)), **focus)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(tagger.parameters(), 5.0)
            optimizer.step()
            shown += len(batch.index_B)
            progress.update(len(batch.index_B))
    tagger.eval().to(memory_format=torch.contiguous_format)
    return shown


def budget(minutes: float, images: int | None) -> Callable[[int], float]:
    """What `fit` asks: so many pictures where they are given, else so many minutes from its first question on.

    Raises:
        UserError: nothing to spend.
    """
    if minutes <= 0 or (images is not None and images <= 0):
        raise UserError("tagger: give it some --minutes, or --images, above 0")
    if images is not None:
        return lambda shown: shown / images
    start = math.nan

    def spent(shown: int) -> float:
        nonlocal start
        if math.isnan(start):
            start = time.monotonic()
        return (time.monotonic() - start) / (60 * minutes)

    return spent


def check_labels(data: AnimeFaces) -> None:
    """Raises: UserError: the data has no labels, or too few pictures to calibrate on and to examine with."""
    words = data.vocabulary
    if not words.tags and not words.attributes:
        raise UserError("tagger: these pictures have no labels to learn from; write some into manifest.csv")
    for split in ("train", "validation", "test"):
        if data.count(split) < 2:
            raise UserError(f"tagger: there are no {split} pictures: give more, or name their split in a manifest")


def fit_and_report(
    data: AnimeFaces,
    out: Path = Path("tagger.safetensors"),
    minutes: float = 5.0,
    images: int | None = None,
    backbone: str = "resnet10t",
    options: dict[str, Any] | None = None,
    gamma_absent: float = 0.0,
    margin: float = 0.0,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Trains, calibrates on validation pictures, examines on test pictures; leaves `out` and a report beside it.

    Args:
        data: pictures and labels.
        out: the weights; the report has the same name with .json.
        minutes: how long to train.
        images: how many pictures to train on instead, the same on every machine.
        backbone: a timm model.
        options: its arguments.
        gamma_absent: how little tags count that are easily seen to be absent (asymmetric loss; 0: cross entropy).
        margin: the probability below which an absent tag does not count at all.
        seed: of weights and jitter.
        device: auto (a GPU where there is one), cpu or cuda.

    Raises:
        UserError: no labels, no budget or no such backbone.
    """
    check_labels(data)
    torch.manual_seed(seed)
    with SameFirstWeights():
        tagger = Tagger(data.vocabulary, data.image_size, backbone, options).to(usable(device))
    spent = budget(minutes, images)
    stream = data.stream(tagger.needs, ENDLESS // data.batch_size * data.batch_size, data.batch_size)
    start = time.monotonic()
    focus = {"gamma_absent": gamma_absent, "margin": margin}
    shown = fit(tagger, stream, spent, **focus)
    seconds = time.monotonic() - start
    parts = tagger.needs & {"tags_BT", "attributes_BA"}
    seen, labels = look_at(tagger, data.loader("validation", parts, None))
    tagger.calibration = calibrate(seen.tag_logits_BT, labels.tags_NT, seen.class_logits, labels.classes_NA)
    seen, labels = look_at(tagger, data.loader("test", parts, None))
    report = examine(data.vocabulary, tagger.beliefs(seen), tagger.thresholds, labels)
    made = {
        "data": data.record("train", "validation", "test"),
        "told": data.told(),
        "backbone": {
            "name": backbone,
            "options": tagger.options,
            "parameters": sum(p.numel() for p in tagger.parameters()),
        },
        "training": {
            "images": shown,
            "seconds": round(seconds, 1),
            "batch_size": data.batch_size,
            "seed": seed,
            **focus,
        },
        "calibration": numbers(tagger.calibration),
    }
    tagger.save(out)
    write_whole(out.with_suffix(".json"), json.dumps(rounded({**made, "test": report}), indent=1) + "\n")
    print(table(report))
    print(f"trained on {shown:,} pictures in {seconds:.0f} s, examined on {report['pictures']}: {out}")
