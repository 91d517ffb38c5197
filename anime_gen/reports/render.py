"""A comparison as text, Markdown, CSV, JSON and a page of HTML."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterable

from anime_gen.escape import in_csv, in_markdown, printable
from anime_gen.reports.statistics import CONFIDENCE, Verdict
from anime_gen.reports.table import Cell, Column, Table, grouped, names

ARROWS = {"higher": "↑", "lower": "↓", None: ""}


def number(value: float) -> str:
    """Four figures, thousands apart; a count in full."""
    if abs(value) >= 1000 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def head(column: Column) -> str:
    """A score's name with an arrow in the direction in which it gets better."""
    return f"{column.name} {ARROWS[column.better]}".rstrip()


def interval(cell: Cell) -> str:
    """ "[low, high]" of the mean, or nothing with one seed or where all have the same value."""
    if cell.summary is None or cell.summary.low is None or cell.summary.high is None:
        return ""
    if cell.summary.low == cell.summary.high:
        return ""
    return f"[{number(cell.summary.low)}, {number(cell.summary.high)}]"


def in_words(cell: Cell | None, mark: str = "*") -> str:
    """ "12.3 [11.9, 12.8] n=3 P=0.97 *": mean, interval, seeds, probability of being the best, the best mean."""
    if cell is None:
        return "-"
    if cell.summary is None:
        return "undefined" if cell.asked else "not asked"
    chance = "" if cell.probability_best is None else f"P={cell.probability_best:.2f}"
    parts = (number(cell.summary.mean), interval(cell), f"n={cell.summary.n}", chance, mark if cell.best else "")
    return " ".join(filter(None, parts))


def explanation(table: Table) -> list[str]:
    """What a reader must know, one sentence a line."""
    lines = [
        f"At {table.at}. Mean over n seeds [{CONFIDENCE:.0%} bootstrap interval], P: probability of the best mean, "
        "*: best mean. With few seeds trust neither interval nor P: the verdicts use neither.",
        *_reached(table),
        *table.notes,
    ]
    lines += [f"Not laid side by side, because measured differently: {scores}" for scores in grouped(table.refused)]
    shown = {column.name for column in told(table)}
    if empty := [column.name for column in table.columns if column.name not in shown]:
        lines.append(f"Asked of nobody: {names(empty)}.")
    return lines


def _reached(table: Table) -> list[str]:
    """Where each system was scored; those that were after as many images share a line."""
    alike: dict[int, dict[str, float]] = {}
    for system, (images, seconds) in table.reached.items():
        alike.setdefault(images, {})[system] = seconds
    return [
        f"  {', '.join(systems)}: scored at {images:,} images, "
        + " to ".join(dict.fromkeys(f"{seconds:,.0f}" for seconds in (min(systems.values()), max(systems.values()))))
        + " s"
        for images, systems in alike.items()
    ]


def told(table: Table) -> list[Column]:
    """The columns in which somebody was asked for something."""
    return [c for c in table.columns if any(cell and (cell.summary or cell.asked) for cell in c.cells.values())]


def verdicts(table: Table) -> list[str]:
    """What is decided of the scores that have a direction; scores of which the same is to be said share a line."""
    alike: dict[Verdict, list[str]] = {}
    for column in told(table):
        if column.better:
            alike.setdefault(column.verdict, []).append(column.name)
    return [f"{', '.join(of) if verdict.best else names(of)}: {verdict.reason}" for verdict, of in alike.items()]


def _rows(table: Table, mark: str) -> list[list[str]]:
    """Scores down, systems across: there are more scores than families, and lines wrap badly."""
    return [[head(column), *(in_words(column.cells[name], mark) for name in table.systems)] for column in told(table)]


def text(table: Table) -> str:
    """For a terminal."""
    from tabulate import tabulate

    grid = tabulate(_rows(table, "*"), headers=["score", *map(printable, table.systems)], disable_numparse=True)
    return "\n".join([grid, "", *map(printable, explanation(table)), "", *map(printable, verdicts(table))]) + "\n"


def markdown(table: Table) -> str:
    """For a README or an issue."""
    from tabulate import tabulate

    rows = [[in_markdown(name), *cells] for name, *cells in _rows(table, "**best**")]
    heads = ["score", *map(in_markdown, table.systems)]
    grid = tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True)
    notes = [line.strip().replace("*:", "best:") for line in (*explanation(table), *verdicts(table))]
    return "\n".join([grid, "", *(f"- {in_markdown(line)}" for line in notes)]) + "\n"


def tidy(table: Table) -> Iterable[dict[str, object]]:
    """One plain row for each score and system."""
    for column in table.columns:
        for system in table.systems:
            cell = column.cells[system]
            summary = cell.summary if cell else None
            images, seconds = table.reached[system]
            yield {
                "score": column.name,
                "better": column.better,
                "system": system,
                "state": "not scored" if cell is None else "scored" if summary else in_words(cell),
                "mean": summary and summary.mean,
                "low": summary and summary.low,
                "high": summary and summary.high,
                "n": summary.n if summary else 0,
                "probability_best": cell and cell.probability_best,
                "best": bool(cell and cell.best),
                "images": images,
                "seconds": seconds,
            }


def comma_separated(table: Table) -> str:
    """CSV, the rows of `tidy`."""
    rows = [
        {name: in_csv(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in tidy(table)
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(table: Table) -> str:
    """Everything: rows of `tidy`, each seed's value, protocols, verdicts, and what was refused and why."""
    whole = {
        "at": table.at,
        "systems": table.systems,
        "rows": list(tidy(table)),
        "values": {
            column.name: {name: dict(cell.values) for name, cell in column.cells.items() if cell}
            for column in table.columns
        },
        "protocols": {column.name: column.protocol for column in table.columns},
        "verdicts": {column.name: column.verdict._asdict() for column in table.columns},
        "refused": {refused.name: refused.differs for refused in table.refused},
        "notes": table.notes,
    }
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 2.5rem auto; max-width: 78rem; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
.small { color: #666; font-size: .85rem }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 2px solid #222 }
td.best { background: #e3f0f8; font-weight: 600 } td .small { font-weight: 400; display: block } td.none { color: #999 }
img { max-width: 100%; margin: .5rem 0; border: 1px solid #eee } li { margin: .15rem 0 }
"""


def page(table: Table, pictures: Iterable[tuple[str, bytes]] = ()) -> str:
    """HTML that needs no other file.

    Args:
        pictures: title and PNG of each figure to show below the table.
    """
    import base64

    def cell_of(cell: Cell | None) -> str:
        if cell is None or cell.summary is None:
            return f'<td class="none">{in_words(cell)}</td>'
        chance = "" if cell.probability_best is None else f" · P {cell.probability_best:.2f}"
        small = f"{interval(cell)} n = {cell.summary.n}{chance}".strip()
        state = ' class="best"' if cell.best else ""
        return f'<td{state}>{number(cell.summary.mean)}<span class="small">{small}</span></td>'

    heads = "".join(f"<th>{html.escape(name)}</th>" for name in table.systems)
    rows = "".join(
        f'<tr title="{html.escape(json.dumps(column.protocol))}"><td>{html.escape(head(column))}</td>'
        + "".join(cell_of(column.cells[name]) for name in table.systems)
        + "</tr>\n"
        for column in told(table)
    )
    notes = "".join(f"<li>{html.escape(line.strip())}</li>" for line in explanation(table)[1:])
    decided = "".join(f"<li>{html.escape(line)}</li>" for line in verdicts(table))
    shown = "".join(
        f'<h2>{html.escape(title)}</h2><img alt="{html.escape(title)}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">\n'
        for title, png in pictures
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Comparison</title><style>{STYLE}</style>\n'
        f"<h1>Families compared at {html.escape(table.at)}</h1>\n"
        f'<p class="small">Mean over n seeds, {CONFIDENCE:.0%} bootstrap interval, P: probability of the best mean; '
        "with few seeds trust neither interval nor P: the verdicts use neither.<br>Shaded: best mean. ↑ higher is "
        "better, ↓ lower. Point at a row for its protocol.</p>\n"
        f'<div class="wide"><table><thead><tr><th>score</th>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>\n'
        f'<h2>Verdicts</h2><ul>{decided}</ul>\n<h2>Notes</h2><ul class="small">{notes}</ul>\n{shown}</html>\n'
    )
