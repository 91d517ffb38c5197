"""Trains the judge on painted faces: `make judge`, or `python -m anime_gen.judging.train`.

About 15 minutes: 3 to paint, 12 to train; where other programs run, `--threads 1` is faster than two. Writes
`judge.safetensors` and, beside it, `judge.json`: what those weights reach on painted faces they have never seen, and
how they were made. `make judge-check` adds to that what its distances see.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision

from anime_gen import fitting
from anime_gen.files import atomic, rounded, write_text
from anime_gen.images import quantise
from anime_gen.judging.content import paint_flawed, weigh
from anime_gen.judging.faces import SIZES, Faces, View, paint, ruin, view
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.judge import SHIPPED_WEIGHTS, Judge, JudgeOutput, hash_weights
from anime_gen.vocabulary import OUTER_EYE_CORNERS, Vocabulary

BATCH = 128
PEAK_RATE = 4e-3
WEIGHED_SIZES = (32, 64, 128)  # of the faces by which its content features are weighed


def loss(seen: JudgeOutput, wanted: View) -> dict[str, Tensor]:
    """Parts of the loss; ruined pictures teach the face head only, and what is not known teaches nothing."""
    faces, is_face_B = wanted.faces, wanted.is_face_B
    rows = is_face_B > 0
    attributes = [
        _mean(F.cross_entropy(logits[rows], classes, ignore_index=-1, reduction="none"), classes >= 0)
        for logits, classes in zip(seen.attribute_logits, faces.attributes_NA[rows].unbind(1), strict=True)
    ]
    tags_NT = faces.tags_NT[rows]
    tags = F.binary_cross_entropy_with_logits(seen.tag_logits_BT[rows], tags_NT.nan_to_num(), reduction="none")
    # Hidden points are where they are, but only just worth guessing; points outside of the picture are not.
    inside_BK = ((faces.landmarks_NK2 > 0) & (faces.landmarks_NK2 < 1)).all(2)
    weight_BK = torch.where(faces.visible_NK, 1.0, 0.2) * inside_BK * is_face_B[:, None]
    off_BK = (seen.landmarks_BK2 - faces.landmarks_NK2).abs().sum(2)
    return {
        "attributes": sum(attributes, tags.new_zeros(())),
        "tags": 16 * _mean(tags, ~tags_NT.isnan()),
        "landmarks": 30 * _mean(off_BK, weight_BK),
        "face": 1.5 * F.binary_cross_entropy_with_logits(seen.face_logit_B, is_face_B),
    }


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted; 0 where no weight is above 0."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


def train(judge: Judge, faces: Faces, minutes: float, seed: int, state: fitting.State | None = None) -> fitting.Done:
    """Trains in place for so many minutes.

    Args:
        judge: what learns.
        faces: from which.
        minutes: of wall clock.
        seed: of the order of the faces and of their views.
        state: whence one that was killed goes on.
    """
    tag_mirror = judge.vocabulary.tag_mirror

    def loss_of(batch: fitting.Rows) -> Tensor:
        wanted = view(faces.rows(batch.index_B), tag_mirror)
        with torch.autocast("cpu", torch.bfloat16):
            seen = judge(wanted.images.contiguous(memory_format=torch.channels_last))
        return torch.stack(list(loss(seen, wanted).values())).sum()

    judge.to(memory_format=torch.channels_last)
    optimizer = fitting.adamw(judge, PEAK_RATE, weight_decay=0.02)
    batches = fitting.shuffled(len(faces.images), BATCH, seed)
    done = fitting.fit(judge, loss_of, batches, optimizer, fitting.for_minutes(minutes), seed=seed, state=state)
    judge.to(memory_format=torch.contiguous_format)
    return done


def examine(features: JudgeFeatures, faces: Faces) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What the judge gets right: (numbers by name, by tag: F1, average precision, prevalence)."""
    seen = features.look(faces.images)
    report: dict[str, float] = {"faces": len(faces.images), **accuracies(features, seen, faces)}
    left, right_corner = OUTER_EYE_CORNERS
    unit = (faces.landmarks_NK2[:, left] - faces.landmarks_NK2[:, right_corner]).norm(dim=1)
    off = (seen.landmarks_BK2 - faces.landmarks_NK2).norm(dim=2) * faces.visible_NK
    report["landmark_nme"] = float((off.sum(1) / faces.visible_NK.sum(1) / unit).mean())
    report["faces_found"] = float(seen.sees_face_B.double().mean())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        broken = quantise(ruin(faces.images.float() / 127.5 - 1, faces.landmarks_NK2))
    report["ruined_taken_for_faces"] = float(features.look(broken).sees_face_B.double().mean())
    tags = of_tags(features, seen, faces)
    for name in ("f1", "average_precision"):
        known_values = [numbers[name] for numbers in tags.values() if not math.isnan(numbers[name])]
        report[f"tag_{name}"] = sum(known_values) / len(known_values)
    return report, tags


def accuracies(features: JudgeFeatures, seen: JudgeOutput, faces: Faces) -> dict[str, float]:
    """Share of the known classes of each attribute that the judge names right; NaN where none is known."""
    found = {}
    for group, (name, logits) in enumerate(zip(features.vocabulary.attributes, seen.attribute_logits, strict=True)):
        known = faces.attributes_NA[:, group] >= 0
        right = logits.argmax(1) == faces.attributes_NA[:, group]
        found[f"accuracy_{name}"] = float(right[known].double().mean())
    return found


def of_tags(features: JudgeFeatures, seen: JudgeOutput, faces: Faces) -> dict[str, dict[str, float]]:
    """By tag: F1, average precision and prevalence, over the faces of which it is known; NaN where it says nothing."""
    tags = {}
    for column, tag in enumerate(features.vocabulary.tags):
        known = ~faces.tags_NT[:, column].isnan()
        logits, present = seen.tag_logits_BT[known, column], faces.tags_NT[known, column] > 0.5
        hits = float(((logits > 0) & present).sum())
        counted = float((logits > 0).sum() + present.sum())
        tags[tag] = {
            "f1": 2 * hits / counted if counted else math.nan,
            "average_precision": float(binary_average_precision(logits, present.long())) if present.any() else math.nan,
            "prevalence": float(present.double().mean()),
        }
    return tags


def main(arguments: Sequence[str] | None = None) -> None:
    from anime_gen.painter import JUDGE_HELD_OUT_SEED, JUDGE_TRAINING_SEED, JUDGE_WEIGHING_SEED, VERSION, VOCABULARY

    parser = argparse.ArgumentParser(prog="python -m anime_gen.judging.train", description=__doc__)
    parser.add_argument("--faces", type=int, default=30_000, help="painted faces to learn from")
    parser.add_argument("--minutes", type=float, default=12.0, help="how long to train, after painting")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--weighed", type=int, default=1_500, help="faces at each size to weigh its content by")
    parser.add_argument("--held-out", type=int, default=2_000, help="faces to examine it on, at each size")
    parser.add_argument("--out", type=Path, default=SHIPPED_WEIGHTS, help="where the weights go")
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    begin = time.monotonic()
    faces = paint(JUDGE_TRAINING_SEED, options.faces, SIZES, natural=0.5, workers=options.threads)
    painted = time.monotonic()
    print(f"{options.faces} faces painted in {painted - begin:.0f} s", flush=True)
    vocabulary: Vocabulary = VOCABULARY
    judge = fitting.initialised(lambda: Judge(vocabulary, painter_version=str(VERSION)), JUDGE_TRAINING_SEED)
    settings = {"painter_version": str(VERSION), "faces": options.faces, "minutes": options.minutes}
    state = fitting.State(options.out, settings)
    done = train(judge, faces, options.minutes, JUDGE_TRAINING_SEED, state)

    # Both are complete before either takes its place: weights must never stand beside another judge's record.
    with atomic(options.out) as weights:
        judge.save(weights)
        judge = Judge.load(weights)  # the rounded weights are the ones to weigh by, and to examine
        flaws = paint_flawed(JUDGE_WEIGHING_SEED, options.weighed, WEIGHED_SIZES)
        weigh(judge, flaws[0].plain, flaws)
        judge.save(weights)
        judge = Judge.load(weights)
        features = JudgeFeatures(judge)
        held_out = {}
        for name, size, natural in (("32", 32, 1.0), ("64", 64, 1.0), ("128", 128, 1.0), ("64 even", 64, 0.0)):
            held_out[name], tags = examine(
                features, paint(JUDGE_HELD_OUT_SEED, options.held_out, (size,), natural, options.threads)
            )
            print(name, {key: round(value, 3) for key, value in held_out[name].items()}, flush=True)
        judge.tag_f1 = {tag: numbers["f1"] for tag, numbers in rounded(tags).items() if numbers["f1"] is not None}
        judge.save(weights)
        report = {
            "command": f"python -m anime_gen.judging.train --faces {options.faces} --minutes {options.minutes:g} "
            f"--threads {options.threads} --weighed {options.weighed} --held-out {options.held_out}",
            "painter_version": str(VERSION),
            "seeds": {
                "training": JUDGE_TRAINING_SEED,
                "weighing": JUDGE_WEIGHING_SEED,
                "held_out": JUDGE_HELD_OUT_SEED,
            },
            "faces": options.faces,
            "steps": done.steps,
            "batch": BATCH,
            "seconds": {"painting": painted - begin, "training": done.seconds},
            "machine": f"{platform.machine()}, {options.threads} threads",
            "packages": {name: version(name) for name in ("torch", "numpy", "skia-python", "safetensors")},
            "parameters": sum(p.numel() for p in judge.parameters()),
            "bytes": weights.stat().st_size,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "weights_hash": hash_weights(judge),
            # By size in pixels, with the painter's default statistics; "even": every colour equally often.
            "held_out": held_out,
            "legible_tags": len(features.legible_tags),
            "tags": tags,  # on "64 even", where rare tags are common enough to count
        }
        write_text(options.out.with_suffix(".json"), json.dumps(rounded(report), indent=1) + "\n")
    state.remove()


if __name__ == "__main__":
    main()
