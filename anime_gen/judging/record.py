"""Writes what the shipped judge sees, by its `judge.json`, into the README of the scores.

`python -m anime_gen.judging.record`, or the end of `make judge-check`, which has filled `judge.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anime_gen.files import write_text
from anime_gen.judging.disturbances import DISTURBANCES, Disturbance
from anime_gen.metrics import judge

README = Path(judge.__file__).with_name("README.md")
BEGIN, END = "<!-- by `make judge-check` -->\n", "<!-- to here -->\n"


def table(examinations: Mapping[str, Any]) -> str:
    """Markdown: a row for each disturbance, of the score that has to see it; a column for each set of pictures."""
    lines = [
        "| | strengths | " + " | ".join(shown.removeprefix("800 ") for shown in examinations) + " |",
        "|---|---" + "|---" * len(examinations) + "|",
    ]
    for name in ("fd_render", "fd_judge"):
        values = [f"{one[name]['undisturbed']:.2f} ± {one[name]['deviation']:.2f}" for one in examinations.values()]
        lines.append(f"| `{name}` undisturbed | | {' | '.join(values)} |")
        for disturbance in DISTURBANCES:
            if disturbance.of_rendering is (name == "fd_render"):
                cells = [_cell(one[name].get(disturbance.name)) for one in examinations.values()]
                lines.append(f"| {disturbance.name} | {_strengths(disturbance)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _strengths(disturbance: Disturbance) -> str:
    """The one that has to be seen is bold."""
    said = [f"{strength:.3g}" for strength in disturbance.strengths]
    said[disturbance.must] = f"**{said[disturbance.must]}**"
    return f"{' '.join(said)} {disturbance.unit}"


def _cell(said: Mapping[str, Any] | None) -> str:
    return "" if said is None else " ".join(f"{one:.0f}" if abs(one) >= 10 else f"{one:g}" for one in said["responses"])


def placed(page: str, text: str) -> str:
    """The page with the text where the last one was."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + text + END + rest.split(END)[1]


def main() -> None:
    """Replaces the table."""
    page = README.read_text(encoding="utf-8")
    write_text(README, placed(page, table(judge.held_out()["examination"])))


if __name__ == "__main__":
    main()
