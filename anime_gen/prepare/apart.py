"""Tools whose packages cannot stand beside ours: an environment of their own in the cache, and a process in it.

The process imports nothing of ours. It reads questions on its stdin and answers each with a line of JSON on its stdout.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

from anime_gen.contract import UserError
from anime_gen.data.cache import cache_root


class Environment(NamedTuple):
    """Where a tool lives.

    `pins` is a requirements file with the version and the hashes of every package in it. One that is `stacked` sees the
    packages of this environment, too, behind its own: torch is not there twice.
    """

    tool: str
    pins: Path
    stacked: bool = False

    @property
    def digest(self) -> str:
        """Of the pins: which versions are in it."""
        return hashlib.sha256(self.pins.read_bytes()).hexdigest()[:16]

    @property
    def place(self) -> Path:
        """Another folder for other pins or another Python, or another environment below it."""
        below = sys.prefix if self.stacked else ""
        key = hashlib.sha256(self.pins.read_bytes() + sys.version.encode() + below.encode()).hexdigest()[:16]
        return cache_root() / self.tool / key

    @property
    def python(self) -> Path:
        return self.place / "bin" / "python"

    @property
    def complete(self) -> bool:
        return self._mark.exists()

    @property
    def _mark(self) -> Path:
        return self.place / ".complete"

    def make(self, otherwise: str) -> None:
        """Makes it, unless it is complete; waits where another run is at it.

        Args:
            otherwise: what can be done where it cannot be made.

        Raises:
            UserError: it cannot be made.
        """
        self.place.parent.mkdir(parents=True, exist_ok=True)
        with self.place.with_suffix(".making").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.complete:
                self._install(otherwise)

    def _install(self, otherwise: str) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        commands: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", self.place],
            [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
             "--no-deps", "--only-binary", ":all:", "-r", self.pins],
        )  # fmt: skip
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
                raise UserError(
                    f"{self.tool} cannot be installed in {self.place} ({reason[-1] if reason else done.returncode}): "
                    f"mend that, or {otherwise}"
                )
        if self.stacked:
            own = Path(sysconfig.get_path("purelib", "venv", {"base": str(self.place), "platbase": str(self.place)}))
            ours = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
            # What a .pth file names comes after the packages beside it.
            (own / "below.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
        self._mark.touch()


def ask(tool: str, process: subprocess.Popen[bytes], question: bytes) -> Any:
    """The answer of a process.

    Raises:
        BrokenPipeError: it ended; another one may answer.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(question)
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = b""
    if not answer:
        raise BrokenPipeError(errno.EPIPE, f"{tool} ended on it (exit code {process.wait()})")
    return json.loads(answer)
