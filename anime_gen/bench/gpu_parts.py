"""The parts of gpu-bench: each measures one thing and returns plain JSON values."""

from __future__ import annotations

import io
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
import torchvision
import yaml
from torch.utils.data import DataLoader, IterableDataset

from anime_gen.bench.journal import Late, Part, first_line, freed
from anime_gen.bench.training import Watch, build, cost, peak, silence, synchronised
from anime_gen.callbacks.scoring import device_name
from anime_gen.cli.bases import with_bases
from anime_gen.cli.describe import Single, example
from anime_gen.cli.train import suite
from anime_gen.contract import Batch, Condition, GenerativeModule
from anime_gen.data import PaintedFaces, PaintedPhotos
from anime_gen.data.cache import cache_root
from anime_gen.data.pack import Pack, cores
from anime_gen.data.source import Source, Split
from anime_gen.images import quantise
from anime_gen.metrics.headlines import headlines, in_words
from anime_gen.metrics.protocol import Role, read
from anime_gen.metrics.scores import Scores, judge_scores, rendering_scores
from anime_gen.run.folder import SAMPLES, RunFolder

SHARED = ["-c", "experiments/shared.yaml"]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# What most families read; the rest is made when one asks for it.
COLUMNS = frozenset({"image", "readable", "tags", "attributes", "landmarks", "visible", "caption"})
SPLITS: tuple[Split, ...] = ("train", "validation")
LABELS = frozenset({"tags_BT", "attributes_BA", "landmarks_BK2", "visible_BK"})


class Scale(NamedTuple):
    """How much of everything."""

    size: int  # pixels
    large: int  # pixels, for those looked into
    faces: int
    large_faces: int
    people: int
    seconds: float  # that a family's steps are timed for
    side: int | None  # of the matrices of the peak; None: what fills the device
    keys: tuple[str, ...]  # further ones for every family
    first_batch: int  # of the search for the largest
    most_batch: int
    sampled: int
    compiler: str
    learning: tuple[str, ...]  # keys of the run that learns
    learning_faces: int


CARD = Scale(
    size=64,
    large=128,
    faces=4000,
    large_faces=1000,
    people=1000,
    seconds=5.0,
    side=None,
    keys=(),
    first_batch=64,
    most_batch=16384,
    sampled=512,
    compiler="inductor",
    # In batches of 32, as shipped, most of a step is the processor's, which starts kernel after kernel.
    learning=("--minutes=1", "--data.image_size=64", "--data.batch_size=256"),
    learning_faces=20000,
)
TOY = Scale(
    size=16,
    large=32,
    faces=200,
    large_faces=200,
    people=60,
    seconds=0.05,
    side=128,
    keys=("--data.batch_size=4",),
    first_batch=2,
    most_batch=4,
    sampled=8,
    compiler="eager",
    learning=(
        "--trainer.max_epochs=1",
        "--data.epoch_images=16",
        "--data.batch_size=8",
        "--data.score_images=16",
        "--scoring.train_images=32",
        "--data.image_size=16",
    ),
    learning_faces=200,
)


def parts(scale: Scale, families: list[Path], deeper: list[Path], learn: Path, out: Path) -> list[Part]:
    """All parts, those that matter most first; families are their YAMLs."""

    def words(family: Path, *keys: str) -> list[str]:
        return settings(family, scale, scale.size, scale.faces, "--trainer.precision=bf16-mixed", *keys)

    def large(family: Path) -> list[str]:
        return settings(family, scale, scale.large, scale.large_faces, "--trainer.precision=bf16-mixed")

    exactly = "--trainer.precision=32-true"
    return [
        Part("peak", 3, 30, partial(peaks, scale)),
        Part("painting", 10, 60, partial(painting, scale)),
        *(Part(f"train {path.stem}", 7, 60, partial(trained, words(path), scale)) for path in families),
        Part(f"learn {learn.stem}", 75, 110, partial(learning, learn, scale, out)),
        *(Part(f"loader {path.stem}", 8, 30, partial(waiting, words(path), scale)) for path in deeper),
        *(Part(f"sample {path.stem}", 4, 30, partial(sampling, words(path), scale)) for path in deeper),
        Part("score", 5, 40, partial(scoring, words(learn), scale)),
        *(Part(f"float32 {path.stem}", 9, 30, partial(trained, words(path, exactly), scale)) for path in deeper),
        *(Part(f"{scale.large} px {path.stem}", 12, 40, partial(trained, large(path), scale)) for path in deeper),
        *(
            Part(f"compiled {path.stem}", 30, 90, partial(trained, words(path), scale, compiled=True))
            for path in deeper
        ),
        *(Part(f"largest {path.stem}", 15, 45, partial(largest, words(path), scale)) for path in deeper),
    ]


def settings(family: Path, scale: Scale, size: int, faces: int, *keys: str) -> list[str]:
    """The words of a family's command line, on painted pictures.

    Args:
        family: its YAML.
        scale: of everything.
        size: of the pictures, pixels.
        faces: how many are painted.
        keys: further ones; the later of two wins.
    """
    pages = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in with_bases(family)]
    data = {key for page in pages for key in page.get("data", {})}
    # A YAML may have a source around the painted faces.
    source = "--data.source.source" if "source" in data else "--data.source"
    people = [f"--data.other_domain.people={scale.people}"] if "other_domain" in data else []
    own = [f"--data.image_size={size}", *scale.keys, f"{source}.faces={faces}", *people]
    return [*SHARED, "-c", str(family), *own, *keys]


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "device": device_name(DEVICE),
        "driver": driver(),
        "memory_gib": round(torch.cuda.get_device_properties(DEVICE).total_memory / 2**30, 1)
        if DEVICE.type == "cuda"
        else None,
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "torchvision": torchvision.__version__,
        "lightning": L.__version__,
        "python": platform.python_version(),
    }


def driver() -> str | None:
    """Of the card; None where there is none."""
    if DEVICE.type != "cuda":
        return None
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return None


def peaks(scale: Scale) -> dict[str, float]:
    """10^9 multiply-adds a second of a product of matrices."""
    return {precision: peak(precision, DEVICE, scale.side) for precision in ("bf16-mixed", "32-true")}


def painting(scale: Scale) -> dict[str, float | str]:
    """Pictures a second, of those that most families then train on."""
    faces, photos = PaintedFaces(scale.faces), PaintedPhotos(scale.people)
    return {
        f"faces at {scale.size} px": painted(faces, scale.size),
        f"photos at {scale.size} px": painted(photos, scale.size),
        f"faces at {scale.large} px": painted(PaintedFaces(scale.large_faces), scale.large),
    }


def painted(source: Source, size: int) -> float | str:
    """Pictures a second of all splits; what an earlier run has painted is not painted again."""
    source.cache = cache_root()
    packs = [Pack(source, split, size) for split in SPLITS]
    if any(pack.folder.exists() for pack in packs):
        return "were there"
    began = time.monotonic()
    for pack in packs:
        pack.build(COLUMNS)
    return sum(source.count(split) for split in SPLITS) / (time.monotonic() - began)


def trained(words: list[str], scale: Scale, compiled: bool = False) -> dict[str, Any]:
    """What a step costs."""

    def prepare(module: GenerativeModule) -> None:
        # The parts of what draws: losses that differentiate a gradient are of other networks, or fail and say so.
        for part in module.averaged.children() if compiled else ():
            part.compile(backend=scale.compiler)

    try:
        return cost(words, scale.seconds, prepare=prepare)._asdict()
    finally:
        if compiled:
            torch._dynamo.reset()


class Repeated(IterableDataset[Batch]):
    """One batch over and over."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.batch


class Loading(L.Callback):
    """Takes the time of the loader alone, to the device and nothing more, and ends the training."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.images_per_second = 0.0
        self.batch: Batch | None = None

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: GenerativeModule, *rest: Any) -> None:
        loader = trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
        began, images = synchronised(pl_module.device), 0
        for batch in loader:
            self.batch = trainer.strategy.batch_to_device(batch, pl_module.device)
            images += len(batch.image_BCHW)
            if time.monotonic() - began >= self.seconds:
                break
        self.images_per_second = images / (synchronised(pl_module.device) - began)
        trainer.should_stop = True


def waiting(words: list[str], scale: Scale) -> dict[str, float]:
    """Images a second of the loader and of the trainer, each alone: the slower one is waited for."""
    loading, watch = Loading(scale.seconds / 2), Watch(scale.seconds / 2)
    with silence(), tempfile.TemporaryDirectory() as folder:
        cli = build(words, folder, loading)
        cli.trainer.fit(cli.model, cli.datamodule)
        assert loading.batch is not None
        alone = build(words, folder, watch)
        alone.trainer.fit(alone.model, DataLoader(Repeated(loading.batch), batch_size=None))
    trainer = watch.cost(str(alone.trainer.precision), alone.datamodule.batch_size)
    return {"loader": loading.images_per_second, "trainer": trainer.images_per_second}


def sampling(words: list[str], scale: Scale) -> dict[str, Any]:
    """Pictures a second of a family's own sampler, in its chunks, with an average of its first weights."""
    with silence(), tempfile.TemporaryDirectory() as folder:
        cli = build(words, folder, L.Callback())
        module: GenerativeModule = cli.model.to(DEVICE).eval()
        condition = example(module, cli.datamodule, scale.sampled).condition
        seeds = list(range(scale.sampled))
        with torch.autocast(DEVICE.type, torch.bfloat16):
            module.sample(condition.rows(slice(0, module.chunk)), seeds[: module.chunk])
            began = synchronised(DEVICE)
            module.sample(condition, seeds)
            took = synchronised(DEVICE) - began
    return {"images_per_second": scale.sampled / took, "chunk": module.chunk, "settings": repr(module.settings)}


def scoring(words: list[str], scale: Scale) -> dict[str, float]:
    """Pictures a second that a run's scores look at, and the seconds in which they are then worked out."""
    with silence(), tempfile.TemporaryDirectory() as folder:
        data = build(words, folder, L.Callback()).datamodule
        scores = Scores([*judge_scores(data.vocabulary), *rendering_scores(data.image_size)]).to(DEVICE)
        batches = [
            (quantise(batch.image_BCHW), batch.condition.map(lambda part: part.to(DEVICE)))
            for batch in data.loader("validation", LABELS, scale.sampled)
        ]
        taken = {}
        for role in (Role.TRAINING, Role.HELD_OUT, Role.SAMPLE):
            began = synchronised(DEVICE)
            for images, condition in batches:
                asked = Condition() if role is Role.TRAINING else condition
                scores.update(images.to(DEVICE), role, asked, images.to(DEVICE) if role is Role.SAMPLE else None)
            taken[role] = synchronised(DEVICE) - began
        began = synchronised(DEVICE)
        scores.compute()
        computing = synchronised(DEVICE) - began
    count = sum(len(images) for images, _ in batches)
    return {"images_per_second": count / taken[Role.SAMPLE], "images": count, "seconds_to_compute": computing}


def largest(words: list[str], scale: Scale) -> dict[str, Any]:
    """The largest batch of which two steps fit into the device's memory, to an eighth; and what ended the search."""
    ended = f"{scale.most_batch} fit, and more were not tried"
    found = 0

    def fits(count: int) -> bool:
        nonlocal ended, found
        try:
            two_steps(words, count)
        except RuntimeError as error:
            ended = f"{count}: {first_line(error)}"
        else:
            found = max(found, count)
            return True
        finally:
            freed()
        return False

    try:
        search(fits, scale.first_batch, scale.most_batch)
    except Late as late:
        ended = first_line(late)
    return {"batch_size": found, "ended_by": ended}


def search(fits: Callable[[int], bool], first: int, most: int) -> int:
    """The largest number that fits, to an eighth of it, from `first` to `most`; 0: not even the first."""
    low, high = 0, first
    while fits(high):
        low = high
        if low == most:
            return low
        high = min(2 * low, most)
    while low and high - low > max(1, low // 8):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def two_steps(words: list[str], count: int) -> None:
    """A batch of so many made-up pictures: more than were painted."""
    with silence(), tempfile.TemporaryDirectory() as folder:
        cli = build(words, folder, L.Callback())
        cli.trainer.fit_loop.max_epochs = 2
        batch = example(cli.model, cli.datamodule, count)
        cli.trainer.fit(cli.model, DataLoader(Single(batch), batch_size=None))


def learning(family: Path, scale: Scale, out: Path) -> dict[str, Any]:
    """A short run as a user starts it: its scores, and its last grid as <out>/learning.png."""
    # What a run says at its end is of a folder that will be gone.
    with silence(), redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        faces = f"--data.source.faces={scale.learning_faces}"
        suite(["fit", *SHARED, "-c", str(family), faces, *scale.learning, f"--run={run.path}"])
        records = read(run.metrics)
        grids = run.drawn()[SAMPLES]
        shutil.copy(grids[max(grids)], out / "learning.png")
    return {
        "images": records[-1].nimg,
        "seconds": records[-1].seconds,
        "scores": {record.name: record.value for record in records if record.value is not None},
        "headlines": {
            line.name: [in_words(line.samples), in_words([one for one in line.real if one])]
            for line in headlines(records)
        },
    }
