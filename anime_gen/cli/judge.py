"""judge: one of your own data, that says what the suite's own says of painted faces."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from anime_gen.cli.examine import MAKERS, SEED, watched
from anime_gen.cli.quiet import quiet
from anime_gen.cli.score import open_scores
from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, Folder
from anime_gen.data.source import Split
from anime_gen.files import atomic, rounded, write_text
from anime_gen.images import quantise
from anime_gen.judging import disturbances, own
from anime_gen.judging.disturbances import Pictures
from anime_gen.judging.examination import summary, table, unseen
from anime_gen.judging.faces import UNKNOWN, Faces
from anime_gen.metrics import judge as network
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.judge import Judge
from anime_gen.settings.parser import OneLineParser
from anime_gen.vocabulary import Vocabulary

LEAST = 200  # training pictures: of fewer no covariance is known
EXAMINED = 40  # held-out pictures: of fewer no response is known
LABELS = frozenset({"tags_BT", "attributes_BA", "landmarks_BK2", "visible_BK"})


def build_parser() -> ArgumentParser:
    """The options of `anime-gen judge`."""
    parser = OneLineParser(
        prog="anime-gen judge",
        description="fit: trains a judge of your own pictures, on their training split, by their labels where they "
        "have some; examines it on the others, and says how to score runs by it.",
    )
    parser.add_argument("action", choices=("fit",), help="what to do")
    parser.add_argument("data", type=Path, help="a folder of faces, with or without manifest.csv")
    parser.add_argument("--minutes", type=float, default=15.0, help="how long to train, after painting faces beside")
    parser.add_argument("--out", type=Path, default=Path("judge.safetensors"), help="the weights; a report beside them")
    parser.add_argument("--pictures", type=int, default=30_000, help="of the training split, at most")
    parser.add_argument("--painted", type=int, default=10_000, help="faces to learn landmarks from")
    parser.add_argument("--weighed", type=int, default=1_500, help="painted faces at each size to weigh its content by")
    parser.add_argument("--examined", type=int, default=800, help="held-out pictures to examine it on, at most")
    return parser


def main(verb: str, arguments: list[str]) -> None:
    """Trains, weighs, examines; writes the weights and, beside them, what they reach."""
    quiet()
    options = build_parser().parse_args(arguments)
    for name, least in (("minutes", 1e-9), ("pictures", LEAST), ("painted", 1), ("weighed", 2)):
        if not options[name] >= least:
            raise UserError(f"--{name} {options[name]:g}: at least {least:g}" if least >= 1 else f"--{name}: above 0")
    if not options.out.absolute().parent.is_dir():
        raise UserError(f"--out {options.out}: there is no folder {options.out.absolute().parent}; make it first")
    data = AnimeFaces(Folder(options.data), image_size=network.SIZE)
    count = data.count("train")
    if count < LEAST:
        raise UserError(f"{options.data}: {count} training pictures; a judge needs at least {LEAST}")

    words = own.words_of(data.vocabulary)
    name = f"judge_{data.content('train')[:8]}"
    print(f"{name}: {min(count, options.pictures):,} pictures of {options.data}, and {options.painted:,} painted faces")
    budget = own.Budget(options.minutes, options.painted, options.weighed)
    judge, done, state = own.learn(
        name, data.vocabulary, read(data, "train", options.pictures, words), budget, options.out
    )

    with atomic(options.out) as weights:
        judge.save(weights)
        features = JudgeFeatures(Judge.load(weights))
        test = read(data, "test", options.examined, words)
        validation = read(data, "validation", options.examined - len(test.images), words)
        faces = Faces(*(torch.cat(columns) for columns in zip(test, validation, strict=True)))
        report, tags = own.held_out(features, faces) if len(faces.images) else ({}, {})
        judge.tag_f1 = {tag: one["f1"] for tag, one in rounded(tags).items() if one["f1"] is not None}
        judge.save(weights)
        told = {
            "name": name,
            "data": data.record("train"),
            "painter_version": judge.painter_version,
            "training": {**done._asdict(), **budget._asdict(), "pictures": min(count, options.pictures)},
            "weights_hash": features.weights_hash,
            "held_out": report,
            "tags": tags,
            "examination": examined(features, faces.images),
        }
        write_text(options.out.with_suffix(".json"), json.dumps(rounded(told), indent=1) + "\n")
    state.remove()
    said = ", ".join(f"{key} {value:.3g}" for key, value in report.items() if not math.isnan(value))
    print(f"trained on {done.images:,} pictures in {done.seconds:.0f} s; held out: {said or 'nothing'}")
    print(f"{options.out}: to score runs by it,")
    print(
        "  --scoring.extractors+=anime_gen.metrics.extractors.Judge "
        f"--scoring.extractors.weights={options.out.resolve()}"
    )


def read(data: AnimeFaces, split: Split, limit: int, vocabulary: Vocabulary) -> Faces:
    """The first pictures of a split at the judge's size, with what is known of them in those words."""
    found = [own.unlabelled(torch.zeros(0, 3, network.SIZE, network.SIZE, dtype=torch.uint8), vocabulary)]
    if data.source.count(split) and limit:
        for batch in data.loader(split, LABELS & data.source.parts, limit):
            nothing, told = own.unlabelled(quantise(batch.image_BCHW), vocabulary), batch.condition
            landmarks, visible = nothing.landmarks_NK2, nothing.visible_NK
            if told.landmarks_BK2 is not None and told.visible_BK is not None:
                known = ~told.landmarks_BK2.isnan().any(2)
                landmarks = torch.where(known[..., None], told.landmarks_BK2, UNKNOWN)
                visible = told.visible_BK & known
            found.append(
                nothing._replace(
                    tags_NT=nothing.tags_NT if told.tags_BT is None else told.tags_BT,
                    attributes_NA=nothing.attributes_NA if told.attributes_BA is None else told.attributes_BA,
                    landmarks_NK2=landmarks,
                    visible_NK=visible,
                )
            )
    return Faces(*(torch.cat(columns) for columns in zip(*found, strict=True)))


def examined(features: JudgeFeatures, images: Tensor) -> dict[str, Any]:
    """What it sees of held-out pictures, uint8 (N, 3, H, W), and of as many painted ones; prints both tables."""
    count, size = len(images), images.shape[-1]
    if count < EXAMINED:
        print(f"{count} held-out pictures: too few for an examination, which needs {EXAMINED}")
        return {}
    found = {}
    kinds = {"held-out pictures": Pictures(images), "painted faces": disturbances.paint(SEED, count, size)}
    for what, pictures in kinds.items():
        responses = watched(pictures, open_scores(["fd", "kd"], MAKERS, [features], size))
        shown = f"{count} {what}, {size} px"
        print(f"{shown}: responses in standard deviations; [the strength from which on it is seen]")
        print("\n".join([table(responses), *(f"not seen: {line}" for line in unseen(responses))]))
        found[shown] = summary(responses)
    return found
