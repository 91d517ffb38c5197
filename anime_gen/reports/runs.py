"""Run folders as plain rows: what was set, what was scored, what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, read
from anime_gen.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

# Where a run lies and what it went on from say nothing of how it was trained, nor do minutes, which became pictures,
# nor rollbacks that are left: one that was shows in the rates.
PLACES = ("run", "ckpt_path", "weights_only", "trainer.default_root_dir", "minutes", "rollbacks")
# Two runs that differ in these alone are the same system with other luck.
SEEDS = ("seed_everything", "data.seed")
# Where there is nothing to report.
NO_RUNS = "There are no runs with scores yet: `make experiment MODEL=diffusion` makes one."


class Run(NamedTuple):
    """One run folder `runs/<family>/<name>`."""

    family: str
    name: str
    path: Path
    seed: int
    settings: dict[str, Any]  # config.yaml, flattened: "model.init_args.lr" -> 0.001
    records: list[Record]  # metrics.json, in the order they were written

    @property
    def system(self) -> dict[str, Any]:
        """The settings without the seeds."""
        return {key: value for key, value in self.settings.items() if key not in SEEDS}


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one mapping of dotted keys to plain values; an empty one stays as it is."""
    if isinstance(tree, Mapping):
        items: Iterable[tuple[Any, Any]] = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    else:
        return {prefix: tree}
    found: dict[str, Any] = {}
    for key, value in items:
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found or {prefix: tree}


class NoScores(UserError):
    """A run that has not come to its first scoring."""


def read_run(path: str | Path) -> Run:
    """The run in a folder.

    Raises:
        UserError: the folder holds no run, or one without scores.
    """
    path = Path(path)
    run = RunFolder(path)
    settings = flat(run.settings())
    try:
        seed = int(settings["seed_everything"])
    except (KeyError, TypeError, ValueError) as reason:
        raise UserError(f"{run.config} is not the settings of a run (no seed_everything in it)") from reason
    records = read(run.metrics)
    if not records:
        raise NoScores(f"{path} has no scores yet (no metrics.json, or an empty one): let it run to its first scoring")
    whole = path.resolve()
    settings = {"lr_scale": 1.0, **{key: value for key, value in settings.items() if key not in PLACES}}
    return Run(whole.parent.name, whole.name, path, seed, settings, records)


def read_runs(paths: Iterable[str | Path]) -> tuple[list[Run], list[str]]:
    """The runs among some folders, and lines that name those with nothing to compare: one does not spoil the rest.

    Raises:
        UserError: there is no such folder.
    """
    runs, left_out, begun = [], [], []
    for path in paths:
        if not Path(path).exists():
            raise UserError(f"there is no folder {path}; runs lie under runs/<family>/<name>")
        try:
            runs.append(read_run(path))
        except NoScores:
            begun.append(str(path))
        except UserError as reason:
            left_out.append(f"Left out: {reason}")
    return runs, [*left_out, *([f"Left out, not scored yet: {', '.join(begun)}"] if begun else [])]


def scores(runs: Iterable[Run]) -> pd.DataFrame:
    """All scores, one a row: family, run, seed, score, value (NaN: not asked), images, seconds, protocol (a dict)."""
    import pandas as pd

    columns = ["family", "run", "seed", "score", "value", "images", "seconds", "protocol"]
    rows = [
        (run.family, run.name, run.seed, record.name, record.value, record.nimg, record.seconds, record.protocol)
        for run in runs
        for record in run.records
    ]
    return pd.DataFrame(rows, columns=columns).astype({"value": "float64"})


def settings(runs: Sequence[Run]) -> pd.DataFrame:
    """The settings that differ between the runs: a row for each run (family, run), a column for each key.

    A key that a run does not have (another class has it) is NaN.
    """
    import pandas as pd

    index = pd.MultiIndex.from_tuples([(run.family, run.name) for run in runs], names=["family", "run"])
    return pd.DataFrame([{key: run.settings.get(key) for key in differing(runs)} for run in runs], index=index)


def differing(runs: Sequence[Run]) -> list[str]:
    """The keys whose values are not the same in all runs, in the order of the first run that has them."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [key for key in keys if len({repr(run.settings.get(key, "(none)")) for run in runs}) > 1]


def systems(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that differ in nothing but their seeds, under a name: the family's, and where a family has several
    systems, what sets each apart (up to two keys, else the first run's name). Sorted by name, runs by seed.
    """
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.family, repr(sorted(run.system.items(), key=lambda item: item[0]))), []).append(run)
    families: dict[str, list[list[Run]]] = {}
    for (family, _), group in grouped.items():
        families.setdefault(family, []).append(sorted(group, key=lambda run: run.seed))
    named = {}
    for family, groups in families.items():
        apart = [key for key in differing([group[0] for group in groups]) if key not in SEEDS]
        for group in groups:
            named[_name(family, group[0], apart if len(groups) > 1 else [])] = group
    return dict(sorted(named.items()))


def _name(family: str, run: Run, apart: list[str]) -> str:
    if not apart:
        return family
    if len(apart) > 2:
        return f"{family}/{run.name}"
    return f"{family} {', '.join(f'{key.rsplit(".", 1)[-1]}={run.settings.get(key)}' for key in apart)}"


def ablation(runs: Sequence[Run], key: str) -> dict[str, list[Run]]:
    """The most runs that differ in one setting and their seeds alone, by the setting's value as text.

    A class is a setting together with its arguments: they have no meaning for another class.

    Args:
        key: of `differing`.

    Returns:
        Nothing where no two values were tried with all else equal.
    """
    own = key.removesuffix("class_path") + "init_args." if key.endswith("class_path") else key + "."
    rest: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        fixed = sorted(
            (name, repr(value)) for name, value in run.system.items() if name != key and not name.startswith(own)
        )
        value = str(run.settings.get(key))
        rest.setdefault(repr(fixed), {}).setdefault(value, []).append(run)
    tried = [values for values in rest.values() if len(values) > 1]
    return max(tried, key=lambda values: sum(map(len, values.values())), default={})


def folders(root: Path) -> list[Path]:
    """Every folder below `root` (or itself) that holds a run, by name; links are followed."""
    below = RunFolder(Path("**")).config
    paths = glob(str(below), root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob follows none before 3.13
    return sorted(root / Path(path).parent for path in paths)


def find(root: str | Path = "runs") -> list[Path]:
    """All run folders, those of studies too, but not those of `make smoke`, whose scores mean nothing."""
    root = Path(root)
    return [path for path in folders(root) if path.relative_to(root).parts[:1] != ("smoke",)]
