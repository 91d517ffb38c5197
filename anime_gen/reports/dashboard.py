"""Runs as TensorBoard should show them: a tidy copy of each, and pages that lay them over each other.

A copy, not the runs' own event files, because those keep what a killed run wrote before it was resumed, their clocks
count the hours in between, and they know nothing of other runs. In the copy the step is images shown and the wall
clock is the run's start plus seconds trained, so that TensorBoard's "Relative" axis compares families at equal time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from anime_gen.escape import in_code, in_markdown
from anime_gen.metrics.headlines import sample_of
from anime_gen.metrics.protocol import Record, measure, read
from anime_gen.reports.grids import Drawn, align, drawn, sheet, sheets
from anime_gen.reports.matching import differing, first_keys
from anime_gen.reports.runs import PLACES, folders
from anime_gen.reports.table import TOGETHER
from anime_gen.run.folder import RunFolder

if TYPE_CHECKING:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# The run that holds what is about all runs.
ALL = "all runs"
# Curves of the runs that are shown; scores come from metrics.json.
CURVES = ("train/", "time/", "memory/")
# Keys that do not say how a run was trained.
NOT_SETTINGS = (*PLACES, "trainer.callbacks")
CHARTS = {"Training": "train/", "Speed and memory": "(time|memory)/"}

GUIDE = """
- **Custom Scalars**: one chart for each score, all runs in it. The step is images shown; *Relative* is time trained
  (without the hours in which a run lay still), so it compares families at equal time. Set *Smoothing* to 0 for scores.
- **HParams**: what sets the runs apart, with their latest scores; click a column to sort.
- **Images**: `aligned` has all runs' answers to the same conditions and seeds; `samples`, and whatever else a run
  draws, are each run's grids over time.
- **Text**: what each run scored, by which protocol, with which settings.
"""
WARNING = """
#### Not to be compared

These scores were not measured alike in all runs. A chart shows them together, but says nothing:

"""


class Copy:
    """One run in the dashboard: `sync` adds what the run has gained since the last time.

    Points, pictures and texts are written once for each name and step: a resumed run repeats what it had written
    before it was killed, bit for bit.
    """

    def __init__(self, path: Path, name: str, target: Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from torch.utils.tensorboard import SummaryWriter

        self.folder = RunFolder(path)
        self.name = name
        self.config = self.folder.settings()
        self.records: list[Record] = []
        self._events: EventAccumulator = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 1})
        self._writer: Any = SummaryWriter(str(target / name))
        self._written: set[tuple[str, int]] = set()
        self._text: dict[str, str] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration by its keys as they are typed; "family" is the folder that the run lies in."""
        return {"family": self.folder.path.resolve().parent.name, **typed(self.config)}

    @property
    def drawn(self) -> Drawn:
        """Its grids."""
        return drawn(self.folder.path, self.name, self.config)

    def _once(self, tag: str, step: int) -> bool:
        new = (tag, step) not in self._written
        self._written.add((tag, step))
        return new

    def sync(self) -> None:
        """Copies what is new."""
        self._events.Reload()
        tags = [tag for tag in self._events.Tags()["scalars"] if tag.startswith(CURVES)]
        curves = {tag: self._events.Scalars(tag) for tag in tags}
        self.records = [record for record in read(self.folder.metrics) if record.protocol.get("split") != "test"]
        known = {0: 0.0} | {record.nimg: record.seconds for record in self.records}
        known |= {event.step: event.value for event in curves.get("time/seconds", [])}
        images, seconds = zip(*sorted(known.items()), strict=True)
        sittings = self.folder.sittings()
        began = moment(sittings[0].get("started", "")) if sittings else 0.0

        def clock(step: int) -> float:
            return began + float(np.interp(step, images, seconds))

        points = [(tag, event.step, event.value) for tag, events in curves.items() for event in events]
        points += [(f"score/{r.name}", r.nimg, r.value) for r in self.records if r.value is not None]
        for tag, step, value in points:
            if self._once(tag, step):
                self._writer.add_scalar(tag, value, step, walltime=clock(step))
        for tag, files in self.drawn.files.items():
            for step, path in files.items():
                if self._once(tag, step):
                    picture = np.asarray(sheet(path))
                    self._writer.add_image(tag, picture, step, walltime=clock(step), dataformats="HWC")
        for tag, text in describe(self.name, self.config, self.records, sittings).items():
            if self._text.get(tag) != text:
                self._text[tag] = text
                self._writer.add_text(tag, text, images[-1], walltime=clock(images[-1]))
        self._writer.flush()

    def write_settings(self, values: dict[str, Any]) -> None:
        """The run's row of the HParams page; its scores are found by their names."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self._writer.file_writer.add_summary(hparams_pb(values, trial_id=self.name))

    def close(self) -> None:
        self._writer.close()


class Dashboard:
    """A folder for TensorBoard, made from the runs below `root`.

    Args:
        root: the folder of all runs; new ones may appear in it.
        target: an empty folder.
    """

    def __init__(self, root: Path, target: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.root = root
        self.target = target
        self.copies: dict[Path, Copy] = {}
        self._writer: Any = SummaryWriter(str(target / ALL))
        self._charts: set[str] = set()
        self._rows: set[Path] = set()
        self._sheets: dict[str, list[tuple[str, int | None]]] = {}
        self._drawn = 0
        self._text = ""

    def sync(self) -> None:
        """Copies what the runs have gained, and draws the pages about all of them anew where they have changed."""
        for path in folders(self.root):
            if path not in self.copies:
                name = path.relative_to(self.root).as_posix() if path != self.root else path.resolve().name
                self.copies[path] = Copy(path, name, self.target)
        for copy in self.copies.values():
            copy.sync()
        self._guide()
        self._lay_out()
        self._tabulate()
        self._align()
        self._writer.flush()

    def _guide(self) -> None:
        """Text: how to read the pages, and which scores may not be compared though a chart shows them together."""
        text = GUIDE
        if rows := disagreements({copy.name: copy.records for copy in self.copies.values()}):
            text += WARNING + as_table(("scores", "were measured with other"), rows)
        if text != self._text:
            self._text = text
            self._drawn += 1
            self._writer.add_text("0 how to read this", text, self._drawn)

    def _scores(self) -> list[str]:
        """In the order they were written, but what must not be read without the other side by side, first."""
        names = dict.fromkeys(r.name for c in self.copies.values() for r in c.records if r.value is not None)
        return [*(name for name in TOGETHER if name in names), *(name for name in names if name not in TOGETHER)]

    def _lay_out(self) -> None:
        """Custom Scalars: one chart for each score with all runs in it."""
        scores = self._scores()
        curves = {tag for c in self.copies.values() for tag, _ in c._written if tag.startswith(CURVES)}
        if self._charts == curves | set(scores):
            return
        self._charts = curves | set(scores)
        real = [name for name in scores if sample_of(name)]
        groups = [name for name in scores if "@" in name and name not in real]
        pages = {
            "Scores": [f"score/{name}" for name in scores if name not in (*real, *groups)],
            "Scores of groups": [f"score/{name}" for name in groups],
            "What real pictures would score": [f"score/{name}" for name in real],
        } | {title: sorted(tag for tag in curves if re.match(start, tag)) for title, start in CHARTS.items()}
        layout = {
            title: {tag.split("/", 1)[1]: ["Multiline", [f"^{re.escape(tag)}$"]] for tag in tags}
            for title, tags in pages.items()
            if tags
        }
        self._writer.add_custom_scalars(layout)

    def _tabulate(self) -> None:
        """HParams: what sets runs apart, and their latest scores."""
        from tensorboard.plugins.hparams.summary_v2 import Discrete, HParam, Metric, hparams_config_pb

        settings = {path: copy.settings for path, copy in self.copies.items()}
        if settings.keys() == self._rows:
            return
        # TensorBoard sorts columns by their names, and shows the first few: a number puts what tells most there.
        titles = {f"{i:02}": key for i, key in enumerate(telling(list(settings.values())))}
        columns = {
            name: alike({path: own[key] for path, own in settings.items() if key in own})
            for name, key in titles.items()
        }
        for path in settings.keys() - self._rows:
            self.copies[path].write_settings({name: column[path] for name, column in columns.items() if path in column})
        self._rows = set(settings)
        params = [
            HParam(name, Discrete(sorted(set(column.values()))), display_name=titles[name])
            for name, column in columns.items()
        ]
        metrics = [Metric(f"score/{name}", display_name=name) for name in self._scores()]
        self._writer.file_writer.add_summary(hparams_config_pb(params, metrics))

    def _align(self) -> None:
        """Images: every run's answers to the same conditions and seeds; runs on other data are other sheets."""
        for number, members in enumerate(sheets([copy.drawn for copy in self.copies.values()]), 1):
            tag, latest = f"aligned/{number}", [(run.name, run.latest) for run in members]
            if self._sheets.get(tag) != latest:
                self._sheets[tag] = latest
                self._drawn += 1
                self._writer.add_image(tag, np.asarray(align(members)), self._drawn, dataformats="HWC")

    def close(self) -> None:
        """Ends all files."""
        for copy in self.copies.values():
            copy.close()
        self._writer.close()


def typed(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration by its keys as they are typed on the command line, without callbacks and places.

    {"model": {"class_path": "x.Y", "init_args": {"lr": 1}}} -> {"model": "x.Y", "model.lr": 1}.
    """
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix if key in ("class_path", "init_args") else f"{prefix}.{key}".lstrip(".")
        if name in NOT_SETTINGS:
            continue
        found |= typed(value, name) if isinstance(value, Mapping) and value else {name: value}
    return found


def telling(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The family, and the keys that have more than one value: the model's first, its parts before their details."""
    values: dict[str, set[str]] = {}
    for own in settings:
        for key, value in own.items():
            values.setdefault(key, set()).add(repr(value))
    keys = [key for key, some in values.items() if len(some) > 1 and key != "family"]
    return ["family", *sorted(keys, key=lambda key: (not key.startswith("model"), key.count(".")))]


def alike(cells: dict[Path, Any]) -> dict[Path, Any]:
    """The values of one setting as one type that TensorBoard sorts: numbers, or words where not all are numbers.

    A class is called by its last name, None "null".
    """
    if all(isinstance(value, bool) for value in cells.values()):
        return cells
    if all(isinstance(value, int | float) for value in cells.values()):
        return {path: float(value) for path, value in cells.items()}
    words = {path: value if isinstance(value, str) else json.dumps(value) for path, value in cells.items()}
    return {path: word.rsplit(".", 1)[-1] if word.startswith("anime_gen.") else word for path, word in words.items()}


def moment(written: str) -> float:
    """Seconds since 1970 of a time as it is written; 0 of anything else."""
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return 0.0


def describe(
    name: str, config: dict[str, Any], records: Sequence[Record], sittings: Sequence[dict[str, Any]]
) -> dict[str, str]:
    """Text cards in Markdown by their tags: what the run scored, by which protocol, and with which settings."""
    facts: list[tuple[str, Any]] = [
        ("family", code(config["model"]["class_path"])),
        ("data", f"{code(config['data']['image_size'])} px, {code(config['data']['source'])}"),
        ("seed", code(config["seed_everything"])),
    ]
    if records:
        facts += [("images shown", f"{records[-1].nimg:,}"), ("seconds", f"{records[-1].seconds:,.0f}")]
    if sittings:
        cores, gpus, system = (entry(sittings[0], f"machine.{fact}") for fact in ("cores", "gpus", "system"))
        facts += [
            ("started", f"{in_markdown(str(entry(sittings[0], 'started')))}, {len(sittings)} sitting(s)"),
            ("commit", in_markdown(str(entry(sittings[0], "git.commit") or "not in git"))),
            ("machine", in_markdown(f"{cores} cores, {', '.join(map(str, gpus or ())) or 'no GPU'}, {system}")),
            ("torch", in_markdown(str(entry(sittings[0], "packages.torch")))),
        ]
    latest = {record.name: record for record in records}
    title = in_markdown(name)
    cards = {"1 summary": as_table(("run", title), facts)}
    if latest:
        values = [(in_markdown(n), "not asked" if r.value is None else f"{r.value:.4g}") for n, r in latest.items()]
        shared, own = common([measure(record.protocol) for record in latest.values()])
        cards["1 summary"] += "\n\n#### Latest scores\n\n" + as_table(("score", "value"), values)
        of_all = as_table((title, "of all scores"), [(in_markdown(key), code(value)) for key, value in shared.items()])
        of_each = as_table(
            ("score", "and beyond that"), [(in_markdown(n), code(o)) for n, o in zip(latest, own, strict=True)]
        )
        cards["2 protocol"] = f"{of_all}\n\n#### Of each score\n\n{of_each}"
    lines = yaml.safe_dump(config, sort_keys=False, default_flow_style=False).splitlines()
    cards["3 settings"] = f"### {title}\n\n" + "\n".join("    " + line for line in lines)
    return cards


def disagreements(runs: Mapping[str, Sequence[Record]]) -> list[tuple[str, str]]:
    """Scores that were not measured alike in all runs that have them, with the keys that differ and whose is what."""
    measures: dict[str, dict[str, dict[str, Any]]] = {}
    for run, records in runs.items():
        for record in records:
            if record.value is not None:
                measures.setdefault(record.name, {})[run] = measure(record.protocol)
    found: dict[str, list[str]] = {}
    for score, by_run in measures.items():
        keys, more = first_keys(differing(list(by_run.values())))
        said = []
        for key in keys:
            whose: dict[str, list[str]] = {}
            for run, own in by_run.items():
                whose.setdefault(json.dumps(entry(own, key)), []).append(run)
            said.append(
                f"{in_markdown(key)}: "
                + "; ".join(f"{code(value)} in {in_markdown(some(who))}" for value, who in whose.items())
            )
        if said:
            found.setdefault("<br>".join([*said, *filter(None, [more])]), []).append(score)
    return [(in_markdown(", ".join(scores)), said) for said, scores in found.items()]


def entry(tree: Any, key: str) -> Any:
    """What a dotted key holds in nested mappings, a class by its name; None where there is no such key."""
    for name in key.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree.get("class", "given") if isinstance(tree, Mapping) else tree


def some(names: Sequence[str]) -> str:
    """At most three of them."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def common(protocols: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all protocols agree on, and what each says beyond."""
    first = protocols[0]
    shared = {k: v for k, v in first.items() if all(k in other and other[k] == v for other in protocols)}
    return shared, [{k: v for k, v in other.items() if k not in shared} for other in protocols]


def code(value: Any) -> str:
    """As a cell of a Markdown table, whose bars would end it."""
    return in_code(value if isinstance(value, str) else json.dumps(value))


def as_table(head: tuple[str, str], rows: Iterable[tuple[Any, Any]]) -> str:
    """Two columns of Markdown."""
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)])
