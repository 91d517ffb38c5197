"""Figures of runs. Each function returns a matplotlib Figure that nothing global knows of; `save` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record
from anime_gen.reports import sweeps

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with every kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, MUTED = "#222222", "#666666"
WIDTH, HEIGHT = 3.5, 2.7  # of a panel, inches


def save(figure: Figure, path: Path) -> None:
    """Writes it as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=144, facecolor="white")


def panels(count: int, title: str, subtitle: str, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure of `count` equal panels under a title and a line of small print."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    height = rows * HEIGHT + 0.9
    figure = Figure(figsize=(max(columns * WIDTH, 5.0), height), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.75 / height), h_pad=0.08, w_pad=0.08)  # type: ignore[union-attr, call-arg]
    figure.text(0.12 / figure.get_figwidth(), 1 - 0.12 / height, title, size=12, weight="bold", color=INK, va="top")
    figure.text(0.12 / figure.get_figwidth(), 1 - 0.42 / height, subtitle, size=8, color=MUTED, va="top")
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8, colors=MUTED, labelcolor=INK)
        axis.locator_params(axis="y", nbins=5)
    return figure, axes


def label(name: str, better: str | None) -> str:
    """A score's name and the direction in which it gets better."""
    return f"{name}  " + {"higher": "↑ better", "lower": "↓ better"}.get(better or "", "") if better else name


def small_print(protocol: dict[str, Any]) -> str:
    """The heart of a protocol in one line."""
    split, system = protocol.get("split", "?"), protocol.get("system", {})
    counts = f"{protocol['num_fake']:,} samples, " if "num_fake" in protocol else ""
    size = protocol.get("data", {}).get("image_size")
    return (
        f"{counts}{split} split"
        + (f", {size} px" if size else "")
        + (f", {system['weights']} weights, {system['precision']}" if {"weights", "precision"} <= set(system) else "")
    )


def places(values: Sequence[str]) -> tuple[np.ndarray, bool]:
    """Where values stand on an axis: numbers where they are, anything else evenly spaced. Whether they are numbers."""
    import numpy as np

    try:
        return np.asarray([float(value) for value in values]), True
    except ValueError:
        return np.arange(len(values), dtype=np.float64), False


def sweep(records: Sequence[Record], key: str) -> Figure:
    """Each score against the value of a sampling setting."""
    table = sweeps.table(records, key)
    ways = {record.name: record.protocol.get("better") for record in records}
    names = [name for name in table if not name.endswith("_real")]
    x, numbers = places(list(table.index))
    order = x.argsort()
    figure, axes = panels(len(names), f"Scores over {key}", small_print(records[0].protocol))
    for axis, name in zip(axes, names, strict=True):
        axis.plot(x[order], table[name].to_numpy()[order], color=COLOURS[0], marker="o", markersize=4, linewidth=1.6)
        axis.set_title(label(name, ways[name]), size=9, color=INK, loc="left")
        axis.set_xlabel(key, size=8, color=MUTED)
        if not numbers or len(x) <= 8:
            axis.set_xticks(x, table.index, rotation=0 if numbers else 20)
    return figure


def control(records: Sequence[Record], key: str, quality: str) -> Figure:
    """Quality against each other score, one point for each value of a sampling setting, joined in its order.

    Raises:
        UserError: the quality was not scored.
    """
    table = sweeps.table(records, key)
    ways = {record.name: record.protocol.get("better") for record in records}
    if quality not in table:
        raise UserError(f"--quality {quality}: it was not scored; there are {', '.join(table)}")
    names = [name for name in table if name != quality and not name.endswith("_real")]
    x, _ = places(list(table.index))
    order = x.argsort()
    figure, axes = panels(len(names), f"{quality} against control over {key}", small_print(records[0].protocol))
    for axis, name in zip(axes, names, strict=True):
        across, up = table[name].to_numpy()[order], table[quality].to_numpy()[order]
        axis.plot(across, up, color=COLOURS[0], marker="o", markersize=4, linewidth=1.2)
        for a, b, value in zip(across, up, table.index[order], strict=True):
            axis.annotate(str(value), (a, b), xytext=(4, 4), textcoords="offset points", size=7, color=COLOURS[1])
        axis.set_xlabel(label(name, ways[name]), size=8, color=INK)
        axis.set_ylabel(label(quality, ways[quality]), size=8, color=INK)
        axis.margins(0.12)
    return figure
