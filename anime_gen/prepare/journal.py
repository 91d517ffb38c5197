"""What a run remembers of its work, so that one that was stopped goes on: a line for each raw picture."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from anime_gen.contract import UserError
from anime_gen.data.listing import File
from anime_gen.prepare.picture import Outcome


class Journal:
    """The outcomes of `<out>/journal.jsonl`, and the place for more.

    The first line says by which rules; the lines of pictures follow. A last line that was not finished is cut off.

    Args:
        path: the file.
        rules: everything that outcomes depend on but the pictures, as plain values.

    Raises:
        UserError: it was begun by other rules, another run holds it, or it cannot be written.
    """

    def __init__(self, path: Path, rules: Mapping[str, Any]) -> None:
        self.path = path
        self.done: dict[File, Outcome] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("a+b")
        except OSError as error:
            raise UserError(f"--out {path.parent}: cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"--out {path.parent}: another run prepares this folder: wait for it") from error
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        first, *lines = whole.splitlines() or [b""]
        if not first:
            self._write(dict(rules))
        elif (begun := self._read(first)) != (now := json.loads(json.dumps(rules))):
            changed = [name for name in now if now[name] != begun.get(name)]
            raise UserError(
                f"--out {path.parent} was begun with "
                + ", ".join(f"{name} {begun.get(name)} (now {now[name]})" for name in changed)
                + ": say the same, or give another --out"
            )
        for line in lines:
            try:
                outcome = Outcome.from_json(json.loads(line))
            except (ValueError, TypeError, KeyError):  # a power cut's, or another version's: it is done again
                continue
            self.done[outcome.raw] = outcome

    def _read(self, first: bytes) -> dict[str, Any]:
        try:
            rules = json.loads(first)
        except ValueError:
            rules = None
        if not isinstance(rules, dict):
            raise UserError(f"{self.path} is damaged in its first line: give another --out, or delete that folder")
        return rules

    def add(self, outcome: Outcome) -> None:
        """Notes an outcome; it is on the disk when this returns, unless it may be another one the next time."""
        if self.done.get(outcome.raw) == outcome:
            return
        self.done[outcome.raw] = outcome
        if not outcome.passing:
            self._write(outcome.as_json())

    def _write(self, value: Any) -> None:
        # ASCII: a name may be any bytes.
        self._file.write(json.dumps(value).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
