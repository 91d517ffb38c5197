"""Trains a tagger on any labelled pictures, as long as it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen import fitting
from anime_gen.contract import Batch, UserError, usable
from anime_gen.data import AnimeFaces
from anime_gen.data.cache import write_whole
from anime_gen.files import rounded
from anime_gen.noise import uniform_
from anime_gen.tagging.calibration import calibrate, numbers
from anime_gen.tagging.examine import examine, look_at, table
from anime_gen.tagging.loss import training_loss
from anime_gen.tagging.network import Tagger

PEAK_RATE = 3e-3
# More than any budget shows.
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


def fit(
    tagger: Tagger,
    batches: Callable[[int], Iterable[Batch]],
    length: fitting.Length,
    seed: int,
    state: fitting.State | None = None,
    **focus: float,
) -> fitting.Done:
    """Trains in place.

    Args:
        tagger: what learns.
        batches: pictures shown so far -> the training pictures from there on, enough of them. A batch may be empty.
        length: when it ends.
        seed: of the jitter.
        state: whence one that was killed goes on.
        focus: of the tags' loss, see `anime_gen.tagging.loss.asymmetric`.
    """
    device = next(tagger.parameters()).device

    def loss_of(batch: Batch) -> Tensor | None:
        if len(batch.index_B) < 2:  # nothing to take a batch's mean and deviation of
            return None
        image = jittered(batch.image_BCHW.to(device)).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            seen = tagger(image)
        return training_loss(seen, batch.condition.map(lambda part: part.to(device)), **focus)

    tagger.to(memory_format=torch.channels_last)
    optimizer = fitting.adamw(tagger, PEAK_RATE, weight_decay=0.05)
    done = fitting.fit(tagger, loss_of, batches, optimizer, length, seed=seed, clip=5.0, state=state)
    tagger.to(memory_format=torch.contiguous_format)
    return done


def endless(data: AnimeFaces, needs: frozenset[str]) -> Callable[[int], Iterable[Batch]]:
    """The data's training pictures, as `fit` takes them; the stream makes a batch when it is asked for."""
    return lambda start: data.stream(needs, ENDLESS // data.batch_size * data.batch_size, data.batch_size, start)


def budget(minutes: float, images: int | None) -> fitting.Length:
    """So many pictures where they are given, else so many minutes.

    Raises:
        UserError: nothing to spend.
    """
    if minutes <= 0 or (images is not None and images <= 0):
        raise UserError("tagger: give it some --minutes, or --images, above 0")
    return fitting.for_minutes(minutes) if images is None else fitting.for_images(images)


def state_of(
    out: Path, data: AnimeFaces, minutes: float, images: int | None, seed: int, **settings: Any
) -> fitting.State:
    """Where the training of a tagger is kept until `out` is there.

    Args:
        out: what is written at the end.
        data: what it learns from.
        minutes, images, seed: of the training.
        settings: what else makes it the training it is.
    """
    length = {"minutes": minutes} if images is None else {"images": images}
    given = {**data.stream_record(), "data.batch_size": data.batch_size, **length, "seed": seed}
    return fitting.State(out, {**given, **settings})


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

    What is trained by then is kept beside it, too, until all is done: after a Ctrl-C or a kill the same call goes on.

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
    length = budget(minutes, images)
    tagger = fitting.initialised(lambda: Tagger(data.vocabulary, data.image_size, backbone, options), seed)
    tagger.to(usable(device))
    focus = {"gamma_absent": gamma_absent, "margin": margin}
    state = state_of(out, data, minutes, images, seed, backbone=backbone, options=tagger.options, **focus)
    done = fit(tagger, endless(data, tagger.needs), length, seed, state, **focus)
    parts = tagger.needs & {"tags_BT", "attributes_BA"}
    seen, labels = look_at(tagger, data.loader("validation", parts, None))
    tagger.calibration = calibrate(seen.tag_logits_BT, labels.tags_NT, seen.class_logits, labels.classes_NA)
    seen, labels = look_at(tagger, data.loader("test", parts, None))
    report = examine(data.vocabulary, tagger.beliefs(seen), tagger.thresholds, labels)
    made = {
        "data": data.record("train", "validation", "test"),
        "presentation": data.presentation(),
        "backbone": {
            "name": backbone,
            "options": tagger.options,
            "parameters": sum(p.numel() for p in tagger.parameters()),
        },
        "training": {
            "images": done.images,
            "seconds": round(done.seconds, 1),
            "batch_size": data.batch_size,
            "seed": seed,
            **focus,
        },
        "calibration": numbers(tagger.calibration),
    }
    tagger.save(out)
    write_whole(out.with_suffix(".json"), json.dumps(rounded({**made, "test": report}), indent=1) + "\n")
    state.remove()
    print(table(report))
    print(f"trained on {done.images:,} pictures in {done.seconds:.0f} s, examined on {report['pictures']}: {out}")
