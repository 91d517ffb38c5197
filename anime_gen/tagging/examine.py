"""What a tagger gets right on pictures that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision

from anime_gen.contract import Batch, Condition
from anime_gen.tagging.calibration import calibration_error
from anime_gen.tagging.network import Beliefs, Labeller, Seen
from anime_gen.vocabulary import Vocabulary


class Labels(NamedTuple):
    """What is known of N pictures."""

    tags_NT: Tensor  # float32: 1, 0, NaN not given
    classes_NA: Tensor  # int64, -1 not given

    @classmethod
    def of(cls, condition: Condition, count: int) -> Labels:
        """Of a batch of so many pictures; no columns where the data has none."""
        tags, classes = condition.tags_BT, condition.attributes_BA
        return cls(
            torch.zeros(count, 0) if tags is None else tags,
            torch.zeros(count, 0, dtype=torch.int64) if classes is None else classes,
        )


class Looked(NamedTuple):
    """Some pictures, what a labeller makes of them, and what is known of them."""

    seen: Seen
    labels: Labels


def look_at(labeller: Labeller, batches: Iterable[Batch]) -> Looked:
    """All pictures of some batches, in order."""
    seen, labels = [], []
    for batch in batches:
        seen.append(labeller.look(batch.image_BCHW))
        labels.append(Labels.of(batch.condition, len(batch.index_B)))
    return Looked(joined(seen), Labels(*(torch.cat(parts) for parts in zip(*labels, strict=True))))


def joined(seen: list[Seen]) -> Seen:
    """What was seen of several batches as of one."""
    groups = zip(*(part.class_logits for part in seen), strict=True)
    return Seen(
        torch.cat([part.features_BD for part in seen]),
        torch.cat([part.tag_logits_BT for part in seen]),
        tuple(torch.cat(parts) for parts in groups),
    )


def average_precision(score_N: Tensor, tags_N: Tensor) -> float:
    """Mean precision at each present one, in order of falling scores, among those given; NaN if none is present."""
    given = ~tags_N.isnan()
    present = tags_N[given] == 1
    return float(binary_average_precision(score_N[given], present.long())) if present.any() else math.nan


def examine(vocabulary: Vocabulary, beliefs: Beliefs, thresholds_T: Tensor, labels: Labels) -> dict[str, Any]:
    """Accuracy of each group, average precision and F1 of each tag, and how far confidences are off.

    NaN where no picture says.
    """
    groups = {}
    for group, (name, probability_NC) in enumerate(zip(vocabulary.attributes, beliefs.classes, strict=True)):
        given = labels.classes_NA[:, group] >= 0
        sure, said = probability_NC[given].max(1)
        truth = labels.classes_NA[given, group]
        right = said == truth
        recalls = [float(right[truth == i].double().mean()) for i in set(truth.tolist())]
        groups[name] = {
            "accuracy": float(right.double().mean()),
            "balanced_accuracy": sum(recalls) / len(recalls) if recalls else math.nan,
            "most_frequent": float(truth.bincount().max() / len(truth)) if len(truth) else math.nan,
            "pictures": int(given.sum()),
            "calibration_error": calibration_error(sure, right),
        }
    tags = {}
    for column, tag in enumerate(vocabulary.tags):
        truth, probability_N = labels.tags_NT[:, column], beliefs.tags_NT[:, column]
        present, said = truth == 1, (probability_N >= thresholds_T[column]) & ~truth.isnan()
        counted = int(said.sum() + present.sum())
        tags[tag] = {
            "average_precision": average_precision(probability_N, truth),
            "f1": 2 * int((said & present).sum()) / counted if counted else math.nan,
            "threshold": float(thresholds_T[column]),
            "present": int(present.sum()),
            "prevalence": float((truth[~truth.isnan()]).mean()),
        }
    report: dict[str, Any] = {"pictures": len(labels.tags_NT), "groups": groups, "tags": tags}
    if tags:
        given = ~labels.tags_NT.isnan()
        off = calibration_error(beliefs.tags_NT[given], labels.tags_NT[given] == 1)
        report["tag_calibration_error"] = off
        for name in ("average_precision", "f1"):
            values = [told[name] for told in tags.values() if not math.isnan(told[name])]
            report[f"mean_{name}"] = sum(values) / len(values) if values else math.nan
    return report


def table(report: dict[str, Any]) -> str:
    """Groups, then tags with the rarest last, then the means."""
    lines = [f"{'group':<24}{'accuracy':>10}{'balanced':>10}{'most frequent':>15}{'calibration error':>19}"]
    lines += [
        f"{name:<24}{told['accuracy']:>10.3f}{told['balanced_accuracy']:>10.3f}{told['most_frequent']:>15.3f}"
        f"{told['calibration_error']:>19.3f}"
        for name, told in report["groups"].items()
    ]
    if report["tags"]:
        lines += ["", f"{'tag':<24}{'AP':>10}{'F1':>10}{'present':>15}{'threshold':>19}"]
        lines += [
            f"{tag:<24}{told['average_precision']:>10.3f}{told['f1']:>10.3f}{told['present']:>15}"
            f"{told['threshold']:>19.2f}"
            for tag, told in sorted(report["tags"].items(), key=lambda item: -item[1]["present"])
        ]
        lines.append(f"{'mean':<24}{report['mean_average_precision']:>10.3f}{report['mean_f1']:>10.3f}")
        lines.append(f"calibration error of all tags together: {report['tag_calibration_error']:.4f}")
    return "\n".join(lines)
