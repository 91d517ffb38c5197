"""What a study knows of each of its runs, beside what the run itself leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anime_gen.contract import UserError
from anime_gen.files import write_text
from anime_gen.reading import read_json
from anime_gen.run.folder import RunFolder
from anime_gen.settings.aliases import word_today
from anime_gen.studies.plan import Job


@dataclass(frozen=True)
class Entry:
    """What the ledger says of a run: its words, whether it has ended well, and its wall seconds over all sittings."""

    words: list[str]
    done: bool = False
    seconds: float = 0.0


def read_entry(job: Job) -> Entry:
    """The run's entry; a new one where there is none.

    Raises:
        UserError: the folder holds another run than this job's.
    """
    run = RunFolder(job.folder)
    if run.ledger.exists():
        told = read_json(run.ledger)
        try:
            entry = Entry([str(word) for word in told["words"]], bool(told["done"]), float(told["seconds"]))
        except (TypeError, ValueError, KeyError, OverflowError) as reason:
            raise UserError(f"{run.ledger} is not what a study keeps of a run: move it away") from reason
        # The same settings by the names of another version are the same settings.
        before, now = (list(map(word_today, words)) for words in (entry.words, job.words))
        if before != now:
            changed = sorted(set(before) ^ set(now)) or ["the order of the keys"]
            raise UserError(
                f"{job.folder} was trained with other settings ({', '.join(changed)}): "
                "give the study another folder with --out, or move that one away"
            )
        return entry
    if run.is_run:
        raise UserError(f"{job.folder} holds a run that no study has started: give another folder with --out")
    return Entry(job.words)


def write_entry(job: Job, entry: Entry) -> None:
    """A crash leaves the old entry or the new one."""
    write_text(RunFolder(job.folder).ledger, json.dumps(vars(entry), indent=1) + "\n")


def seconds_left(todo: Sequence[Job], entries: Mapping[Path, Entry], jobs: Sequence[Job]) -> float | None:
    """What `todo` will take: the mean time of its variants' finished runs, or of all where a variant has none.

    None before any run has finished.
    """
    took = [(job.name, entries[job.folder].seconds) for job in jobs if entries[job.folder].done]
    if not took:
        return None
    total = 0.0
    for job in todo:
        alike = [seconds for name, seconds in took if name == job.name] or [seconds for _, seconds in took]
        total += max(0.0, sum(alike) / len(alike) - entries[job.folder].seconds)
    return total
