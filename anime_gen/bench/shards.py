"""Pictures streamed from shards against the folder: `make shards-bench`.

Each row is a process of its own, so that its memory is its own: how long to the first batch, pictures a second after
that, and how much memory it has in the end. With `--entries 1000000` so many small pictures are written as shards, too
(of a thousand different ones), and read in the order of training.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from tabulate import tabulate

from anime_gen.data import AnimeFaces, Folder, Shards, Source, Split
from anime_gen.data.shards import write_shards
from anime_gen.data.source import Filled
from anime_gen.painter import VOCABULARY, labels, render, sample_face

_PARTS = frozenset({"tags_BT", "tag_confidence_BT"})
_BATCH = 64


def paint(folder: Path, count: int, size: int) -> None:
    """A folder of painted faces with tags."""
    lines = ["file,tags"]
    for index in range(count):
        face = sample_face(5, index)
        name = f"{index % 100:02}/{index:07}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render(face, size)).save(folder / name)
        tags = [tag for tag, there in zip(VOCABULARY.tags, labels(face).tags_T, strict=True) if there == 1]
        lines.append(f'{name},"{", ".join(tags)}"')
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Repeated(Folder):
    """A folder whose training pictures are there again and again, so many in all."""

    def __init__(self, path: Path, entries: int) -> None:
        super().__init__(path, min_tag_count=1)
        self.entries = entries

    def count(self, split: Split) -> int:
        return self.entries if split == "train" else super().count(split)

    def name(self, split: Split, row: int) -> str:
        return super().name(split, row % super().count(split))

    def captions(self, split: Split) -> list[str | None]:
        return [None] * self.count(split)

    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        start = rows.start % (super().count(split) - len(rows))
        return super().fill(split, range(start, start + len(rows)), wanted, size)


def read(kind: str, place: Path, size: int, workers: int, images: int) -> dict[str, float]:
    """What a process that reads training batches needs; run in one of its own."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    source: Source = Shards(str(place)) if kind == "shards" else Folder(place, min_tag_count=1)
    data = AnimeFaces(source, image_size=size, batch_size=_BATCH, num_workers=workers)
    stream = iter(data.stream(_PARTS, images, _BATCH))
    next(stream)
    first = time.perf_counter() - began
    began, seen = time.perf_counter(), 0
    for batch in stream:
        seen += len(batch.index_B)
    return {"first": first, "rate": seen / (time.perf_counter() - began), "megabytes": own_megabytes()}


def own_megabytes() -> float:
    """Memory of this process that no file stands behind: mapped packs are the disk's (Linux only)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def apart(*arguments: object) -> dict[str, float]:
    """`read`, in a process of its own."""
    code = (
        "import sys, json; from pathlib import Path; from anime_gen.bench.shards import read; "
        "kind, place, size, workers, images = sys.argv[1:]; "
        "print(json.dumps(read(kind, Path(place), int(size), int(workers), int(images))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000, help="painted, in a folder")
    parser.add_argument("--pixels", type=int, default=256, help="a side of their files")
    parser.add_argument("--size", type=int, default=64, help="at which they are trained on")
    parser.add_argument("--entries", type=int, default=0, help="small pictures in shards of many")
    parser.add_argument("--images", type=int, default=4096, help="read in each row")
    chosen = parser.parse_args(arguments)
    images = max(1, chosen.images // _BATCH) * _BATCH
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        os.environ["ANIME_GEN_CACHE"] = str(root / "cache")
        paint(root / "folder", chosen.pictures, chosen.pixels)
        began = time.perf_counter()
        write_shards(Folder(root / "folder", min_tag_count=1), root / "shards")
        written = chosen.pictures / (time.perf_counter() - began)
        print(f"{written:.0f} pictures of {chosen.pixels} px a second are written")
        rows = [
            ("folder, first time", "folder", root / "folder", 0),
            ("folder, packed", "folder", root / "folder", 0),
            ("shards", "shards", root / "shards", 0),
            ("shards, 2 workers", "shards", root / "shards", 2),
        ]
        if chosen.entries:
            paint(root / "small", 1000, 32)
            write_shards(Repeated(root / "small", chosen.entries), root / "many")
            rows.append((f"shards of {chosen.entries:,}", "shards", root / "many", 0))
        lines = []
        for name, kind, where, workers in rows:
            found = apart(kind, where, chosen.size, workers, images)
            lines.append([name, found["first"], found["rate"], found["megabytes"]])
    headers = ["", "seconds to the first batch", "pictures a second", "MB of its own"]
    print(tabulate(lines, headers, "github", floatfmt=(".0f", ".1f", ".0f", ".0f")))


if __name__ == "__main__":
    main()
