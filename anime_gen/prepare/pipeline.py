"""All raw pictures: looked at in processes, compared with each other, written as a data set."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from anime_gen.contract import UserError
from anime_gen.data.folder import labels_of
from anime_gen.data.listing import File, list_folder
from anime_gen.data.manifest import Manifest, Row, hashed_split, write_manifest
from anime_gen.prepare import on_ray
from anime_gen.prepare.copies import copies
from anime_gen.prepare.journal import Journal
from anime_gen.prepare.picture import Cut, Outcome, Work, look
from anime_gen.prepare.rules import Reason

# What a manifest says of a prepared picture beside its labels.
ABOUT = ("source", "source_sha256", "square", "confidence", "sharpness", "blockiness", "landmarks_sure")

# What `look` calls a face, whole or half written.
OURS = re.compile(r"faces/[0-9a-f]{2}/[0-9a-f]{20}_[0-9]+\.png(\.[0-9a-f]{8}\.tmp)?")

# Bits by which the hashes of one face differ that was cut out of copies of another size; of 160,000 pairs of different
# faces 2 % differ by as few.
_LIKE_FACES = 18

# Pictures on their way for each process: enough to keep it busy, and few enough to lose.
_AHEAD = 4


_work: Work


def _begin(work: Work) -> None:
    global _work
    _work = work
    # Ctrl-C reaches every process of the terminal: the parent answers it, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A killed parent ends nobody, and its processes would wait for work for ever.
    threading.Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    import cv2
    import torch

    # One thread each: those of several processes would wait for each other's cores.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _look(raw: File) -> Outcome:
    return look(_work, raw)


def looked_at(work: Work, raws: list[File], processes: int) -> Iterator[Outcome]:
    """What becomes of each picture, in order. A process that dies (of too little memory, say) costs one picture."""
    left = deque(raws)
    while left:
        with _pool(work, processes) as pool:
            waiting: deque[tuple[File, Future[Outcome]]] = deque()
            try:
                while left or waiting:
                    for raw in list(islice(left, processes * _AHEAD - len(waiting))):
                        waiting.append((raw, pool.submit(_look, raw)))
                        left.popleft()
                    yield waiting[0][1].result()
                    waiting.popleft()
            except BrokenProcessPool:
                suspects = [raw for raw, _ in waiting]
            except BaseException:  # a Ctrl-C, above all: what is not begun is not waited for
                pool.shutdown(cancel_futures=True)
                raise
            else:
                return
        # One of those was too much: each by itself, which tells.
        for raw in suspects:
            with _pool(work, 1) as alone:
                try:
                    yield alone.submit(_look, raw).result()
                except BrokenProcessPool:
                    yield Outcome(raw, dropped=Reason.broken, why="the process that read it was ended", passing=True)


def _pool(work: Work, processes: int) -> ProcessPoolExecutor:
    # Not forked from here: OpenCV's threads, where they were used before, would be missing there, and waited for.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(processes, context, _begin, (work,))


def prepare(work: Work, processes: int | None = None, cluster: str | None = None) -> list[Outcome]:
    """Looks at every picture that is not done yet, and writes `faces/` and `manifest.csv`.

    Args:
        work: what is done with each.
        processes: how many at a time; None for one for each core.
        cluster: the address of Ray's that does it; None for processes here.

    Returns:
        What became of each raw picture, copies named.

    Raises:
        UserError: no pictures, wrong labels, or `out` cannot be written or was begun in another way.
    """
    listing = list_folder(work.folder)
    labels = labels_of(work.folder) or Manifest((), [])
    # What is quickly known to be wrong comes first: a detector may have to be installed.
    for one in (work.tagging, work.landmarks, work.detector):
        if one is not None:
            one.check()
    rules = {**told(work), "raw": str(work.folder.resolve())}
    try:
        with Journal(work.out / "journal.jsonl", rules) as journal:
            return _prepared(work, list(listing.pictures.values()), labels, Crew(processes, cluster), journal)
    except OSError as error:
        raise UserError(
            f"--out {work.out}: cannot be written ({error.strerror or error}): mend that and start again, nothing is "
            "lost"
        ) from error


def _prepared(work: Work, raws: list[File], labels: Manifest, crew: Crew, journal: Journal) -> list[Outcome]:
    _work_off(work, [raw for raw in raws if raw not in journal.done], crew, journal, len(raws))
    outcomes = without_copies([journal.done[raw] for raw in raws], work.rules.alike)
    manifest = manifest_of(outcomes, labels, work.rules.least_sure)
    # Somebody removed them; or what they were copies of is gone.
    lost = {row.file for row in manifest.rows if not (work.out / row.file).exists()}
    again = [outcome.raw for outcome in outcomes if lost & {face.file for face in outcome.faces}]
    _work_off(work, again, crew, journal, len(raws))
    if manifest.rows:
        if work.tagging is not None:
            beliefs = {face.file: face.beliefs for outcome in outcomes for face in outcome.faces}
            manifest = work.tagging.filled(manifest, [beliefs[row.file] for row in manifest.rows])
        write_manifest(work.out / "manifest.csv", manifest)
    else:
        (work.out / "manifest.csv").unlink(missing_ok=True)
    _tidy(work.out, {row.file for row in manifest.rows})
    return outcomes


def told(work: Work) -> dict[str, Any]:
    """Everything that faces and labels follow from but the pictures, as a JSON file would say it."""
    return {
        **vars(work.rules),
        "several": work.rules.several.value,
        "detector": work.detector.describe(),
        "landmarks": work.landmarks and work.landmarks.describe(),
        "tagger": work.tagging and work.tagging.describe(),
    }


class Crew(NamedTuple):
    """Who looks at the pictures: so many processes, of this machine or of a cluster of Ray's."""

    processes: int | None
    cluster: str | None

    def look(self, work: Work, raws: list[File]) -> Iterator[Outcome]:
        """What becomes of each picture, as they come."""
        if self.cluster is not None:
            return on_ray.looked_at(work, raws, self.cluster, self.processes)
        return looked_at(work, raws, max(1, min(self.processes or os.cpu_count() or 1, len(raws))))


def _work_off(work: Work, raws: list[File], crew: Crew, journal: Journal, total: int) -> None:
    if not raws:
        return
    with tqdm(total=total, initial=total - len(raws), unit="picture", desc="preparing", disable=None) as bar:
        for outcome in crew.look(work, raws):
            journal.add(outcome)
            bar.update()


def without_copies(outcomes: list[Outcome], within: int) -> list[Outcome]:
    """The same with copies left out: of files, of whole pictures (the largest stays), of faces (the sharpest does)."""
    return _without_faces(_without_pictures(_without_files(outcomes), within), within)


def _without_files(outcomes: list[Outcome]) -> list[Outcome]:
    first: dict[str, str] = {}
    told = []
    for outcome in outcomes:
        original = first.setdefault(outcome.sha256, outcome.raw.name) if outcome.sha256 else outcome.raw.name
        told.append(outcome if original == outcome.raw.name else _copy(outcome, Reason.copy, original))
    return told


def _without_pictures(outcomes: list[Outcome], within: int) -> list[Outcome]:
    """A copy of another size is cut a little otherwise, which faces' hashes do not forgive: pictures' do."""
    kept = [place for place, outcome in enumerate(outcomes) if any(face.file for face in outcome.faces)]

    def worth(at: int) -> tuple[float, ...]:
        outcome = outcomes[kept[at]]
        return -outcome.width * outcome.height, -max(face.quality["sharpness"] for face in outcome.faces), at

    doubled = copies([outcomes[place].hashes for place in kept], sorted(range(len(kept)), key=worth), within)
    told = list(outcomes)
    for at, better in doubled.items():
        # Pages that are mostly paper look alike whatever is drawn on them.
        if not _share_a_face(outcomes[kept[at]], outcomes[kept[better]]):
            continue
        told[kept[at]] = _copy(outcomes[kept[at]], Reason.near_copy, outcomes[kept[better]].raw.name)
    return told


def _share_a_face(one: Outcome, other: Outcome) -> bool:
    apart = [min((a.hashes[0] ^ code).bit_count() for code in b.hashes) for a in one.faces for b in other.faces]
    return min(apart, default=64) <= _LIKE_FACES


def _copy(outcome: Outcome, reason: Reason, original: str) -> Outcome:
    return outcome._replace(faces=(), dropped=reason, why=f"of {original}")


def _without_faces(outcomes: list[Outcome], within: int) -> list[Outcome]:
    """The same face, cut out of two pictures that are not the same."""
    told = list(outcomes)
    kept = [
        (place, number)
        for place, outcome in enumerate(outcomes)
        for number, face in enumerate(outcome.faces)
        if face.file
    ]
    faces = [outcomes[place].faces[number] for place, number in kept]
    # The file breaks ties, so that the order in which files are named decides nothing.
    order = sorted(range(len(faces)), key=lambda at: (-faces[at].quality["sharpness"], faces[at].file))
    for at, better in copies([face.hashes for face in faces], order, within).items():
        place, number = kept[at]
        changed = list(told[place].faces)
        changed[number] = faces[at]._replace(dropped=Reason.near_copy, file="")
        told[place] = told[place]._replace(faces=tuple(changed), why=f"of {outcomes[kept[better][0]].raw.name}")
    return told


def manifest_of(outcomes: list[Outcome], labels: Manifest, least_sure: float = 0.0) -> Manifest:
    """A row for each face that stays, with the labels of its raw picture."""
    known = {row.file: row for row in labels.rows}
    # A copy may be labelled where the one that stays is not.
    of_bytes: dict[str, Row] = {}
    for outcome in outcomes:
        if outcome.sha256 and outcome.raw.name in known and _says(known[outcome.raw.name]):
            of_bytes.setdefault(outcome.sha256, known[outcome.raw.name])
    nothing = Row("", classes=(None,) * len(labels.groups))
    others = [place for place, name in enumerate(labels.about) if name not in ABOUT]
    rows = []
    for outcome in outcomes:
        own = known.get(outcome.raw.name, nothing)
        given = own if _says(own) else of_bytes.get(outcome.sha256, own)
        for face in outcome.faces:
            if face.dropped is None:
                # The raw picture's landmarks lie elsewhere in the face's.
                marks, inside = _landmarks(face, least_sure)
                about = (*_about(outcome, face), *(given.about[place] if given.about else "" for place in others))
                # Faces of one picture stay together: their hands and characters are the same.
                split = own.split or hashed_split(outcome.sha256)
                rows.append(
                    given._replace(file=face.file, split=split, landmarks_K2=marks, visible_K=inside, about=about)
                )
    about_names = (*ABOUT, *(labels.about[place] for place in others))
    return Manifest(labels.groups, sorted(rows, key=lambda row: row.file), about_names)


def _says(row: Row) -> bool:
    """Whether anything is known of what the picture shows."""
    return bool(row.tags or row.caption or any(row.classes) or row.guessed_tags or row.guessed_classes)


def _landmarks(face: Cut, least_sure: float) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Those inside the picture, and which of them are sure enough to count as visible; none where nobody told any."""
    points = np.array(face.landmarks, np.float32).reshape(-1, 2)
    inside = ((points >= 0) & (points <= 1)).all(1)
    sure = np.array(face.sure or [1.0] * len(points))
    # One that its model does not know at all is nowhere.
    given = inside & (sure > 0)
    if not given.any():
        return None, None
    return np.where(given[:, None], points, np.nan).astype(np.float32), given & (sure >= least_sure)


def _about(outcome: Outcome, face: Cut) -> tuple[str, ...]:
    numbers = (face.confidence, face.quality["sharpness"], face.quality["blockiness"])
    square, sure = (" ".join(f"{part:g}" for part in parts) for parts in (face.square, face.sure))
    return (outcome.raw.name, outcome.sha256, square, *(f"{number:g}" for number in numbers), sure)


def _tidy(out: Path, kept: set[str]) -> None:
    """Removes the faces of ours that no row names, and what a killed run had half written."""
    for path in (out / "faces").rglob("*"):
        if OURS.fullmatch(path.relative_to(out).as_posix()) and path.relative_to(out).as_posix() not in kept:
            path.unlink()
