"""What a data set holds, in the figures that S1 gives of its own: counts, tags, landmarks, where faces look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from anime_gen.data.source import SPLITS, Source, Split
from anime_gen.escape import in_figure, in_markdown
from anime_gen.vocabulary import LANDMARKS

# Tags of which a card says how much of all occurrences they carry, and how many it names.
CARRIED, NAMED = (50, 100, 800), 20
_ROWS = 512  # at a time


class Facts(NamedTuple):
    """Everything that a card says; arrays are of all splits together."""

    splits: dict[Split, int]
    tags: list[tuple[str, int]]  # frequent ones first
    tags_a_picture: float  # of pictures of which any tag is known
    captions: int
    words_a_caption: float
    classes: dict[str, list[tuple[str, int]]]
    landmarks_NK2: np.ndarray  # fractions of the picture, NaN not given
    turn_N: np.ndarray  # see `turns`; NaN where landmarks are missing

    @property
    def pictures(self) -> int:
        return sum(self.splits.values())

    def carried(self, most: int) -> float:
        """The share of all occurrences that the `most` most frequent tags have."""
        counts = [count for _, count in self.tags]
        return sum(counts[:most]) / max(1, sum(counts))


def facts(source: Source) -> Facts:
    """Reads every label of a source; no pixel.

    Raises:
        UserError: as the source's own reading.
    """
    words, parts = source.vocabulary, source.parts
    tag_count = np.zeros(len(words.tags), np.int64)
    class_counts = [np.zeros(size, np.int64) for size in words.attribute_sizes]
    tagged = captions = caption_words = 0
    points: list[np.ndarray] = []
    wanted = frozenset(
        column
        for part, column in (("tags_BT", "tags"), ("attributes_BA", "attributes"), ("landmarks_BK2", "landmarks"))
        if part in parts
    )
    for split in SPLITS:
        count = source.count(split)
        for begin in range(0, count if wanted else 0, _ROWS):
            columns = source.fill(split, range(begin, min(begin + _ROWS, count)), wanted, 32).columns
            if "tags" in columns:
                tag_count += (columns["tags"] == 1).sum(0)
                tagged += int((columns["tags"] >= 0).any(1).sum())
            if "attributes" in columns:
                for group, counts in enumerate(class_counts):
                    given = columns["attributes"][:, group]
                    counts += np.bincount(given[given >= 0], minlength=len(counts))
            if "landmarks" in columns:
                points.append(columns["landmarks"])
        if "caption_BL" in parts:
            told = [caption.split() for caption in source.captions(split) if caption]
            captions += len(told)
            caption_words += sum(map(len, told))
    landmarks = np.concatenate(points) if points else np.empty((0, len(LANDMARKS), 2), np.float32)
    order = sorted(range(len(words.tags)), key=lambda tag: (-tag_count[tag], words.tags[tag]))
    return Facts(
        {split: source.count(split) for split in SPLITS},
        [(words.tags[tag], int(tag_count[tag])) for tag in order if tag_count[tag]],
        float(tag_count.sum()) / max(1, tagged),
        captions,
        caption_words / max(1, captions),
        {
            group: sorted(zip(names, counts.tolist(), strict=True), key=lambda one: -one[1])
            for (group, names), counts in zip(words.attributes.items(), class_counts, strict=True)
        },
        landmarks,
        turns(landmarks),
    )


def turns(landmarks_NK2: np.ndarray) -> np.ndarray:
    """How far each face is turned: the nose's place between the sides of the face, -1 to 1, below 0 towards our left.

    Args:
        landmarks_NK2: of faces; NaN not given.

    Returns:
        float64 (N,), NaN where the nose or a side is not given.
    """
    nose, left, right = (landmarks_NK2[:, LANDMARKS.index(name), 0] for name in ("nose", "face_left", "face_right"))
    # The character's right side is on our left.
    with np.errstate(invalid="ignore", divide="ignore"):
        place = (nose - right) / (left - right)
    return np.clip(2 * place.astype(np.float64) - 1, -1, 1)


def bias(turn_N: np.ndarray) -> tuple[float, float, float]:
    """The mean turn and the ends of its 95 % interval (normal); NaN where fewer than two faces are known."""
    known = turn_N[~np.isnan(turn_N)]
    if len(known) < 2:
        return (math.nan,) * 3
    mean, error = float(known.mean()), 1.96 * float(known.std(ddof=1)) / math.sqrt(len(known))
    return mean, mean - error, mean + error


def as_json(found: Facts) -> dict[str, Any]:
    """Plain values."""
    mean, low, high = bias(found.turn_N)
    known = ~np.isnan(found.landmarks_NK2).any(2)
    return {
        "pictures": found.pictures,
        "splits": dict(found.splits),
        "tags": {
            "unique": len(found.tags),
            "a_picture": found.tags_a_picture,
            "carried": {str(most): found.carried(most) for most in CARRIED if most < len(found.tags)},
            "counts": dict(found.tags),
        },
        "captions": {"count": found.captions, "words": found.words_a_caption},
        "classes": {group: dict(counts) for group, counts in found.classes.items()},
        "landmarks": {
            "faces": int(known.any(1).sum()),
            "given": dict(zip(LANDMARKS, known.mean(0).tolist(), strict=True)) if len(known) else {},
            "turn": {"mean": mean, "low": low, "high": high},
        },
    }


def as_markdown(found: Facts, name: str) -> str:
    """The card's page; it shows a picture `card.png` that lies beside it."""
    split = ", ".join(f"{count:,} {name}" for name, count in found.splits.items())
    lines = [f"# {in_markdown(name)}", f"{found.pictures:,} pictures: {split}.", "![the data](card.png)"]
    if found.tags:
        carried = [
            f"the {most} most frequent have {found.carried(most):.0%}" for most in CARRIED if most < len(found.tags)
        ]
        told = f"{len(found.tags):,} tags, {found.tags_a_picture:.1f} a picture; of all occurrences " if carried else (
            f"{len(found.tags):,} tags, {found.tags_a_picture:.1f} a picture"
        )  # fmt: skip
        lines.append(told + ", ".join(carried) + ".")
        lines.append(_table(["tag", "pictures"], found.tags[:NAMED]))
    for group, counts in found.classes.items():
        lines.append(_table([in_markdown(group), "pictures"], counts))
    if found.captions:
        lines.append(f"{found.captions:,} captions of {found.words_a_caption:.1f} words.")
    mean, low, high = bias(found.turn_N)
    if not math.isnan(mean):
        side = "left" if high < 0 else "right" if low > 0 else ""
        told = (
            f"Faces look to the {side} of the picture on average" if side else "Faces look to neither side on average"
        )
        lines.append(f"{told}: a turn of {mean:+.3f} ({low:+.3f} to {high:+.3f}; -1 and 1 are profiles).")
    return "\n\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[tuple[str, int]]) -> str:
    from tabulate import tabulate

    return tabulate([(in_markdown(word), count) for word, count in rows], head, "github")


def figure(found: Facts) -> bytes:
    """Tags by frequency, as a cloud, landmarks, turns: a PNG of the panels that there is data for."""
    import io

    from matplotlib.figure import Figure

    draw = [_frequencies, _cloud] * bool(found.tags) + [_points, _turns] * bool(len(found.landmarks_NK2))
    draw = draw or [_splits]
    columns = min(2, len(draw))
    rows = -(-len(draw) // columns)
    page = Figure(figsize=(5.2 * columns, 4.2 * rows), layout="constrained")
    for number, panel in enumerate(draw, 1):
        panel(page.add_subplot(rows, columns, number), found)
    content = io.BytesIO()
    page.savefig(content, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return content.getvalue()


def _splits(axes: Any, found: Facts) -> None:
    axes.bar(list(found.splits), list(found.splits.values()), color="#0072B2")
    axes.set_title("pictures")


def _frequencies(axes: Any, found: Facts) -> None:
    axes.plot(range(1, len(found.tags) + 1), [count for _, count in found.tags], color="#0072B2")
    axes.set(xscale="log", yscale="log", xlabel="tag, by frequency", ylabel="pictures")
    axes.set_title("how tags are distributed")


def _cloud(axes: Any, found: Facts) -> None:
    """Words in lines, frequent ones first and larger: the sizes are to be read, the places mean nothing."""
    axes.set_axis_off()
    axes.set_title("the most frequent tags")
    most, x, y, height = found.tags[0][1], 0.0, 0.97, 0.0
    for number, (word, count) in enumerate(found.tags[:60]):
        size = 7 + 15 * math.sqrt(count / most)
        width = 0.0021 * size * (len(word) + 2.2)
        if x + width > 1.02 and x:
            x, y, height = 0.0, y - height, 0.0
        height = max(height, 0.0052 * size)
        if y - height < 0:
            break
        colour = ("#0072B2", "#D55E00", "#009E73", "#8C6D1F")[number % 4]
        # A dollar sign would begin a formula.
        axes.text(x, y, in_figure(word), fontsize=size, color=colour, va="top", transform=axes.transAxes)
        x += width


def _points(axes: Any, found: Facts) -> None:
    points = found.landmarks_NK2[:: max(1, len(found.landmarks_NK2) // 500)].reshape(-1, 2)
    middle = np.nanmedian(found.landmarks_NK2, axis=0)
    axes.scatter(*points.T, s=2, alpha=0.15, color="#56B4E9", linewidths=0)
    axes.scatter(*middle.T, s=14, color="#D55E00")
    axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=(), yticks=())
    axes.set_title("landmarks, and their medians")


def _turns(axes: Any, found: Facts) -> None:
    axes.hist(found.turn_N[~np.isnan(found.turn_N)], bins=41, range=(-1, 1), color="#009E73")
    axes.axvline(0, color="#222222", linewidth=1)
    axes.set(xlabel="looks to the left < 0 < to the right", yticks=())
    axes.set_title("where faces look")
