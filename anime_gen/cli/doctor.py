"""doctor: is everything here that runs need? What is missing, and the command that mends it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from enum import Enum
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.pytorch.utilities.imports import RequirementCache  # type: ignore[attr-defined]

from anime_gen.cli.machine import fastest_precision
from anime_gen.cli.quiet import quiet
from anime_gen.contract import UserError
from anime_gen.data import Folder
from anime_gen.data.cache import cache_root
from anime_gen.data.source import SPLITS
from anime_gen.decode import upright_size
from anime_gen.metrics import extractors, paired
from anime_gen.metrics.judge import Judge
from anime_gen.reading import read_json
from anime_gen.settings.parser import OneLineParser

# Bytes that a cache soon needs.
ROOM = 10**9
# Seconds that its files are counted for.
PATIENCE = 2.0
# Pictures of a folder that are opened.
OPENED = 16


class State(Enum):
    """What is found of a thing."""

    good = "ok"
    optional = "--"  # is not here, and only some need it
    broken = "BROKEN"


class Finding(NamedTuple):
    """What is said of a thing in one line."""

    state: State
    text: str


def packages() -> Iterator[Finding]:
    """Are what pyproject.toml asks for, by the metadata of this installation."""
    try:
        # Whether a package's own extras are there is for its own metadata to say.
        needed = [re.sub(r"\[.*\]", "", line) for line in requires("anime_gen") or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding(State.broken, "packages: anime_gen is not installed: make env")
        return
    lacking = [line for line in needed if not RequirementCache(line)]
    for line in lacking:
        yield Finding(State.broken, f"packages: {line} is asked for, and not installed so: make env")
    if not lacking:
        yield Finding(State.good, f"packages: all {len(needed)} as pyproject.toml asks")


def devices() -> Iterator[Finding]:
    """What trains here, and a card that torch does not see."""
    cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    for card in cards:
        yield Finding(State.good, f"devices: {card.name}, {card.total_memory / 2**30:.0f} GiB")
    if not cards and Path("/dev/nvidiactl").exists():
        yield Finding(
            State.broken,
            f"devices: there is a card that torch {torch.__version__} cannot use: see nvidia-smi for its driver, "
            "and take a torch that fits it (https://pytorch.org/get-started)",
        )
    yield Finding(State.good, f"devices: {os.cpu_count()} cores; trains in {fastest_precision('auto')}")


def weights() -> Iterator[Finding]:
    """The suite's own judge, and the published networks that some scores take."""
    try:
        Judge.load()
        yield Finding(State.good, "weights: the judge")
    except UserError as reason:
        yield Finding(State.broken, f"weights: {reason}")
    for published in (extractors.inception(), extractors.dinov2(), extractors.clip(), paired.lpips()):
        if published.here:
            yield Finding(State.good, f"weights: {published.extractor} at {published.here}")
        else:
            text = f"{published.extractor} is not here; for scores that take it: {published.fetch}"
            yield Finding(State.optional, f"weights: {text}")


def cache() -> Iterator[Finding]:
    """Can the cache be written, how large is it, and what in it is of no use any more?"""
    root = cache_root()
    elsewhere = "or name another folder with ANIME_GEN_CACHE"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as reason:
        yield Finding(State.broken, f"cache: {root} cannot be written ({reason.strerror}): mend that, {elsewhere}")
        return
    until, size, number = time.monotonic() + PATIENCE, 0, 0
    for folder, _, names in os.walk(root):
        if time.monotonic() > until:
            break
        number += len(names)
        size += sum((Path(folder) / name).lstat().st_size for name in names)
    more = "more than " if time.monotonic() > until else ""
    free = shutil.disk_usage(root).free
    yield Finding(
        State.good, f"cache: {root}, {more}{size / 1e6:,.0f} MB in {number:,} files; {free / 1e9:,.0f} GB free"
    )
    if free < ROOM:
        yield Finding(State.broken, f"cache: {free / 1e6:,.0f} MB are free at {root}: make room, {elsewhere}")
    if stale := [str(pack) for pack in sorted(root.glob("packs/*")) if is_stale(pack)]:
        shown = " ".join(f"'{pack}'" for pack in stale[:3])
        yield Finding(State.optional, f"cache: {len(stale)} packs are of folders that are gone: rm -r {shown}")


def is_stale(pack: Path) -> bool:
    """Whether the folder is gone whose pictures were packed; painted pictures have none."""
    try:
        source = read_json(pack / "about.json")["source"]
        return "path" in source and not Path(source["path"]).exists()
    except (UserError, TypeError, KeyError):
        return False  # one that is being made, or of another version


def data(folder: Path) -> Iterator[Finding]:
    """Can the labels be read, and some of the pictures?"""
    source = Folder(folder, min_tag_count=1)
    try:
        counts = {split: source.count(split) for split in SPLITS}
        words = source.vocabulary
    except UserError as reason:
        yield Finding(State.broken, f"data: {reason}")
        return
    told = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    yield Finding(State.good, f"data: {folder}: {told}; {len(words.tags):,} tags, {len(words.attributes)} groups")
    names = [(split, row) for split in SPLITS for row in range(counts[split])]
    for split, row in names[:: max(1, len(names) // OPENED)]:
        try:
            upright_size(folder / source.name(split, row))
        except Exception as reason:  # whatever a broken file leads Pillow to
            text = f"{source.name(split, row)} cannot be read ({reason}): fetch it anew, or remove it"
            yield Finding(State.broken, f"data: {text}")
    for split in [split for split, count in counts.items() if not count]:
        yield Finding(
            State.broken, f"data: nothing is in the {split} split: more pictures, or a column `split`, are needed"
        )


def build_parser() -> OneLineParser:
    """The options of `anime-gen doctor`."""
    parser = OneLineParser(
        prog="anime-gen doctor",
        description="Says in a few seconds whether everything is here that runs need: packages, devices, weights (it "
        "fetches none), the data cache, and a folder of pictures where one is named. Status 0: all is well.",
    )
    parser.add_argument("data", type=Path | None, nargs="?", default=None, help="a folder of pictures with labels")
    return parser


def main(verb: str, arguments: list[str]) -> None:
    """`anime-gen doctor [DATA]`."""
    quiet()
    given = build_parser().parse_args(arguments)
    checks: list[Callable[[], Iterator[Finding]]] = [packages, devices, weights, cache]
    if given.data is not None:
        checks.append(lambda: data(given.data))
    broken = 0
    for check in checks:
        for finding in check():
            print(f"{finding.state.value:<7}{finding.text}", flush=True)
            broken += finding.state is State.broken
    if broken:
        print(f"\n{broken} to mend")
        raise SystemExit(1)
    print("\nall is well")
