"""How fast faces are painted, as a run paints them before it trains: `python -m anime_gen.bench.paint`."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anime_gen.contract import UserError
from anime_gen.data.pack import Pack
from anime_gen.data.painted import PaintedFaces

# What a run reads that is told everything but sketches and captions.
_COLUMNS = ("image", "readable", "tags", "attributes", "landmarks", "visible")


class Speed(NamedTuple):
    """What painting took."""

    faces: int
    size: int
    processes: int
    seconds: float  # on the clock
    busy: float  # seconds of processor time, over all processes

    def __str__(self) -> str:
        return (
            f"{self.faces} faces at {self.size} px: {self.seconds:.1f} s with {self.processes} processes, "
            f"{self.faces / self.seconds:.0f} a second; {1000 * self.busy / self.faces:.2f} ms of a core each, "
            f"{self.faces / self.busy:.0f} a second and core"
        )


def measure(faces: int, size: int, processes: int | None = None) -> Speed:
    """Paints the training split of `faces` faces into a cache that is thrown away."""
    with tempfile.TemporaryDirectory() as cache:
        source = PaintedFaces(faces=faces)
        source.cache = Path(cache)
        pack = Pack(source, "train", size, processes)
        started, busy = time.perf_counter(), _busy()
        rows = len(pack.open(_COLUMNS)["image"])
        return Speed(rows, size, pack.processes, time.perf_counter() - started, _busy() - busy)


def _busy() -> float:
    """Processor time of this process and of those that it waited for, seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=20000, help="over all splits; 70 in 100 are painted")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--processes", type=int, help="one a core by default, at most 8")
    chosen = parser.parse_args(arguments)
    print(measure(chosen.faces, chosen.size, chosen.processes))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
