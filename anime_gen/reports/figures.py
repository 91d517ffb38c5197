"""Figures of runs. Each function returns a matplotlib Figure that nothing global knows of; `png` makes a file of it."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anime_gen.blocks.made import Curves
from anime_gen.contract import UserError
from anime_gen.escape import in_figure
from anime_gen.judging.examination import SEEN, Response, rows
from anime_gen.metrics.headlines import sample_of
from anime_gen.metrics.protocol import Record, of_control
from anime_gen.reports import sweeps
from anime_gen.reports.matching import COSTS
from anime_gen.reports.render import number
from anime_gen.reports.runs import Run
from anime_gen.reports.statistics import Summary, summarise
from anime_gen.reports.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every kind of colour blindness; markers tell what is printed in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", ":", "-.")
INK, MUTED = "#222222", "#666666"
WIDTH, HEIGHT = 3.5, 2.7  # of a panel, inches
LEAST_WIDTH = 5.5  # of a figure, inches
# Of title, a line of small print, and one of a legend, inches; and how many letters of small print go into one.
TITLE, SMALL, LEGEND, LETTERS = 0.36, 0.15, 0.23, 17.5


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144, facecolor="white")
    return file.getvalue()


def panels(
    count: int, title: str, small: str, looks: Mapping[str, dict[str, Any]] | None = None, columns: int = 3
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` equal panels under a title, small print, and a legend: name -> how it is drawn.

    What is above the panels takes as many lines as it needs: nothing runs over the edge.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns, looks = max(1, min(columns, count)), looks or {}
    rows = -(-count // columns)
    width = max(columns * WIDTH, LEAST_WIDTH)
    lines = textwrap.wrap(small, int((width - 0.24) * LETTERS))
    in_a_row = max(1, int((width - 0.2) // max([0.55 + len(name) * 0.085 for name in looks], default=1)))
    head = TITLE + len(lines) * SMALL + -(-len(looks) // in_a_row) * LEGEND + 0.1
    height = rows * HEIGHT + head + 0.15
    figure = Figure(figsize=(width, height), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, 1 - head / height), h_pad=0.08, w_pad=0.08)
    figure.text(0.12 / width, 1 - 0.1 / height, in_figure(title), size=12, weight="bold", color=INK, va="top")
    figure.text(
        0.12 / width,
        1 - TITLE / height,
        "\n".join(map(in_figure, lines)),
        size=8,
        color=MUTED,
        va="top",
        linespacing=1.3,
    )
    if looks:
        figure.legend(
            [Line2D([], [], linewidth=1.6, markersize=6, **look) for look in looks.values()],
            list(map(in_figure, looks)),
            loc="upper left",
            bbox_to_anchor=(0.0, 1 - (TITLE + len(lines) * SMALL) / height),
            ncols=in_a_row,
            frameon=False,
            fontsize=8.5,
            handlelength=1.6,
            columnspacing=1.6,
        )
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8, colors=MUTED, labelcolor=INK)
        axis.locator_params(nbins=5)
    return figure, axes


def looks_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How each system (or line) is drawn: 64 that differ in colour or marker, of which 32 differ in colour or line."""
    found = {}
    for place, name in enumerate(dict.fromkeys(names)):
        turn, colour = divmod(place, len(COLOURS))
        marker = MARKERS[(colour + turn) % len(MARKERS)]
        found[name] = {"color": COLOURS[colour], "marker": marker, "linestyle": LINES[turn % len(LINES)]}
    return found


def label(name: str, better: str | None) -> str:
    """A score's name and the direction in which it gets better."""
    name = in_figure(name)
    return f"{name}, {better} is better" if better else name  # in words: an arrow turns with the text of an axis


def small_print(protocol: Mapping[str, Any]) -> str:
    """The heart of a protocol in one line."""
    parts = [
        f"{protocol[key]:,} {what}" for key, what in (("num_fake", "samples"), ("num_real", "real")) if key in protocol
    ]
    if "split" in protocol:
        parts.append(f"{protocol['split']} split")
    if size := protocol.get("data", {}).get("image_size"):
        parts.append(f"{size} px")
    return ", ".join(parts)


def drawn(table: Table) -> list[Column]:
    """The columns that say something of how runs differ: scores with a direction or a spread, costs apart.

    What groups of people score (`fd_judge@skin=dark`) is left to the table: it would be most of the figure.
    """
    return [
        column
        for column in table.columns
        if column.name not in COSTS
        and not sample_of(column.name)
        and "@" not in column.name
        and any(cell and cell.summary for cell in column.cells.values())
    ]


def _series(runs: Sequence[Run], name: str) -> dict[int, dict[int, Record]]:
    """Of one score: images -> seed -> record; moments that not every run has come to are left out."""
    found: dict[int, dict[int, Record]] = {}
    for run in runs:
        for record in run.records:
            if record.name == name and record.value is not None:
                found.setdefault(record.nimg, {})[run.seed] = record
    most = max(map(len, found.values()), default=0)
    return {nimg: seeds for nimg, seeds in sorted(found.items()) if len(seeds) == most}


def curves(table: Table, seconds: bool = False) -> Figure:
    """Each score of the table against images shown, or against seconds of training: mean and interval over seeds.

    Scores that have the same value always and everywhere have no panel; the small print says which.
    """
    across = "seconds of training" if seconds else "images shown"
    points = {
        column.name: {system: _series(runs, column.name) for system, runs in table.runs.items()}
        for column in drawn(table)
    }
    columns, still = [], []
    for column in drawn(table):
        values = [r.value for found in points[column.name].values() for seeds in found.values() for r in seeds.values()]
        if len(values) > 1 and len(set(values)) == 1:
            still.append(f"{column.name} {number(float(values[0] or 0))}")
        else:
            columns.append(column)
    parts = [small_print(column.protocol) for column in columns[:1]]
    most = max(
        (len(seeds) for found in points.values() for series in found.values() for seeds in series.values()), default=0
    )
    parts += ["line: mean over seeds, band: 95 % bootstrap interval" if most > 1 else "one seed each: no interval"]
    parts += [f"never moves: {', '.join(still)}"] if still else []
    figure, axes = panels(len(columns), f"Scores against {across}", "; ".join(parts), looks := looks_of(table.systems))
    for axis, column in zip(axes, columns, strict=True):
        for system, look in looks.items():
            series = points[column.name][system]
            if not series:
                continue
            x = [
                np.mean([record.seconds for record in seeds.values()]) if seconds else at
                for at, seeds in series.items()
            ]
            found = [
                summarise({seed: float(record.value or 0) for seed, record in seeds.items()})
                for seeds in series.values()
            ]
            means = [one.mean for one in found]
            axis.plot(x, means, markersize=4.5, linewidth=1.6, label=system, clip_on=False, **look)
            low, high = zip(*map(_bounds, found), strict=True)
            axis.fill_between(x, low, high, color=look["color"], alpha=0.16, linewidth=0)
        axis.set_title(label(column.name, column.better), size=9, color=INK, loc="left")
        axis.set_xlabel(across, size=8, color=MUTED)
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(lambda value, _: number(value))
    return figure


def controls(table: Table, quality: str) -> list[Column]:
    """What quality can be drawn against: how far samples are what was asked; none where quality is not in the table."""
    columns = drawn(table)
    there = quality in {column.name for column in columns}
    return [column for column in columns if there and column.control and column.better and column.name != quality]


def quality_and_control(table: Table, quality: str = "fd_judge") -> Figure:
    """Quality against each score of control: a point for each seed, a large one for the mean.

    Raises:
        UserError: the quality is not in the table, or there is nothing to draw it against.
    """
    others = controls(table, quality)
    if not others:
        there = ", ".join(column.name for column in drawn(table))
        raise UserError(
            f"--quality {quality}: it is not in the table, or no run was asked for anything; there are {there}"
        )
    up = next(column for column in table.columns if column.name == quality)
    asked = {
        name: {**look, "linestyle": ""}
        for name, look in looks_of(table.systems).items()
        if any(cell and cell.summary for cell in (column.cells[name] for column in others))
    }
    small = f"{small_print(up.protocol)}; at {table.at}; small: one seed, large: mean"
    figure, axes = panels(len(others), f"{quality} against control", small, asked)
    for axis, column in zip(axes, others, strict=True):
        for system, look in asked.items():
            x, y = column.cells[system], up.cells[system]
            if not (x and y and x.summary and y.summary):
                continue
            seeds = sorted(set(x.values) & set(y.values))
            axis.plot([x.values[s] for s in seeds], [y.values[s] for s in seeds], markersize=4, alpha=0.5, **look)
            axis.plot(x.summary.mean, y.summary.mean, markersize=9, label=system, **look)
        axis.set_xlabel(label(column.name, column.better), size=8, color=INK)
        axis.set_ylabel(label(quality, up.better), size=8, color=INK)
        axis.margins(0.15)
    return figure


def ablation(table: Table, key: str, score: str) -> Figure:
    """One score against one setting: a faint point for each seed, the mean and its interval.

    Args:
        table: of `table.lay(runs.ablation(...))`: its systems are the setting's values.

    Raises:
        UserError: the score is not in the table, or has no value in it.
    """
    column = next((column for column in table.columns if column.name == score), None)
    if column is None:
        raise UserError(f"{score}: not in the table; there are {', '.join(column.name for column in table.columns)}")
    cells = {value: cell for value, cell in column.cells.items() if cell and cell.summary}
    if not cells:
        raise UserError(f"{score}: asked of nobody, or undefined wherever it was")
    small = f"{small_print(column.protocol)}; at {table.at}; {column.verdict.reason}"
    figure, (axis,) = panels(1, f"{score} over {key}", small)
    x, numbers = _places(list(cells))
    order = x.argsort()
    found = [cell.summary for cell in cells.values() if cell.summary]
    means = np.asarray([one.mean for one in found])
    reach = np.abs(np.asarray([_bounds(one) for one in found]) - means[:, None])
    for at, cell in zip(x, cells.values(), strict=True):
        axis.plot([at] * len(cell.values), list(cell.values.values()), color=COLOURS[0], marker="o", ls="", alpha=0.35)
    axis.errorbar(
        x[order],
        means[order],
        yerr=reach[order].T,
        color=COLOURS[1],
        marker="D",
        markersize=5,
        capsize=4,
        linewidth=1.4,
        linestyle="-" if numbers else "",
    )
    axis.set_xticks(x, list(map(in_figure, cells)))
    axis.set_xlabel(in_figure(key), size=8, color=MUTED)
    axis.set_title(label(score, column.better), size=9, color=INK, loc="left")
    axis.margins(x=0.15)
    return figure


def _bounds(summary: Summary) -> tuple[float, float]:
    """The interval; with one seed the mean alone."""
    if summary.low is None or summary.high is None:
        return summary.mean, summary.mean
    return summary.low, summary.high


def _places(values: Sequence[str]) -> tuple[NDArray[np.float64], bool]:
    """Where values stand on an axis: numbers where they are, anything else evenly spaced. Whether they are numbers."""
    try:
        return np.asarray([float(value) for value in values]), True
    except ValueError:
        return np.arange(len(values), dtype=np.float64), False


class _Sweep:
    """A sweep laid out for drawing: values in order, the scores that change, and what to write beside them."""

    def __init__(self, records: Sequence[Record], key: str) -> None:
        table = sweeps.table(records, key)
        x, self.numbers = _places(list(table.index))
        order = x.argsort()
        self.x, self.values = x[order], [str(table.index[place]) for place in order]
        self.y = {str(name): table[name].to_numpy()[order] for name in table if not sample_of(str(name))}
        self.ways = {record.name: record.protocol.get("better") for record in records}
        self.control = {record.name for record in records if of_control(record)}
        still = {name: number(y[0]) for name, y in self.y.items() if not (y != y[0]).any()}
        self.moving = [name for name in self.y if name not in still and "@" not in name]
        protocol = records[0].protocol
        system = ", ".join(
            f"{protocol['system'][part]}" for part in ("weights", "precision") if part in protocol["system"]
        )
        said = [name for name in still if "@" not in name]
        self.small = f"{small_print(protocol)}, {system}" + (
            f"; the same everywhere: {', '.join(f'{name} {still[name]}' for name in said)}" if said else ""
        )

    def label(self, name: str) -> str:
        return label(name, self.ways[name])


def sweep(records: Sequence[Record], key: str) -> Figure:
    """Each score against the value of a sampling setting."""
    laid = _Sweep(records, key)
    figure, axes = panels(len(laid.moving), f"Scores over {key}", laid.small)
    for axis, name in zip(axes, laid.moving, strict=True):
        axis.plot(laid.x, laid.y[name], color=COLOURS[0], marker="o", markersize=4.5, linewidth=1.6)
        axis.set_title(laid.label(name), size=9, color=INK, loc="left")
        axis.set_xlabel(key, size=8, color=MUTED)
        axis.set_xticks(laid.x, laid.values)
    return figure


def sweep_control(records: Sequence[Record], key: str, quality: str) -> Figure | None:
    """Quality against each score of control, one point for each value of a sampling setting, joined in its order.

    Returns:
        None where nothing that was asked of samples depends on the setting.

    Raises:
        UserError: the quality was not scored.
    """
    laid = _Sweep(records, key)
    if quality not in laid.y:
        raise UserError(f"--quality {quality}: it was not scored; there are {', '.join(laid.y)}")
    names = [name for name in laid.moving if name in laid.control and name != quality]
    if not names:
        return None
    figure, axes = panels(len(names), f"{quality} against control, over {key}", laid.small)
    for axis, name in zip(axes, names, strict=True):
        axis.plot(laid.y[name], laid.y[quality], color=COLOURS[0], marker="o", markersize=4.5, linewidth=1.2)
        for at, up, value in zip(laid.y[name], laid.y[quality], laid.values, strict=True):
            axis.annotate(value, (at, up), xytext=(5, 5), textcoords="offset points", size=8, color=COLOURS[1])
        axis.set_xlabel(laid.label(name), size=8, color=INK)
        axis.set_ylabel(laid.label(quality), size=8, color=INK)
        axis.margins(0.15)
    return figure


def responses(found: Sequence[Response], small: str) -> Figure:
    """A panel for each disturbance: the scores' responses over its strengths, and the line from which on it is seen."""
    looks = looks_of(one.score for one in found)
    names = list(dict.fromkeys(one.disturbance for one in found))
    figure, axes = panels(len(names), "What each score sees", small, looks)
    for axis, name in zip(axes, names, strict=True):
        for disturbance, score, line in rows(found):
            if disturbance == name:
                axis.plot([one.response for one in line], markersize=4.5, linewidth=1.6, **looks[score])
        strengths = list(dict.fromkeys((one.strength, one.unit) for one in found if one.disturbance == name))
        axis.axhline(SEEN, color=MUTED, linewidth=1, linestyle="--")
        axis.set_yscale("symlog", linthresh=SEEN)
        # Room for a marker over the highest, which the frame would cut.
        heights = [one.response for one in found if one.disturbance == name and math.isfinite(one.response)]
        axis.set_ylim(-SEEN / 4, 2 * max(heights, default=SEEN) + SEEN)
        axis.set_xticks(range(len(strengths)), [f"{strength:.3g}" for strength, _ in strengths])
        axis.set_title(name, size=9, color=INK, loc="left")
        axis.set_xlabel(strengths[0][1], size=8, color=MUTED)
    axes[0].set_ylabel("standard deviations", size=8, color=MUTED)
    return figure


def shares(curves: Curves) -> Figure:
    """Lines of values from 0 to 1, over an axis of marks."""
    looks = looks_of(curves.lines)
    figure, (axis,) = panels(1, curves.title, "", looks)
    for name, values in curves.lines.items():
        axis.plot(values, linewidth=1.6, markersize=4, **looks[name])
    axis.set_xticks(range(len(curves.marks)), curves.marks)
    axis.set_xlabel(curves.axis)
    axis.set_ylim(0, 1.02)
    return figure
