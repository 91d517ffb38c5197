"""From raw pictures to a data set: what is kept, what is said of the rest, and what a kill costs."""

import fcntl
import hashlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data.folder import Folder
from anime_gen.data.manifest import read_manifest
from anime_gen.prepare import Whole, pipeline, report
from anime_gen.prepare.face import Face
from anime_gen.prepare.picture import Outcome, Work
from anime_gen.prepare.pipeline import prepare
from anime_gen.prepare.rules import Reason, Rules, Several

from .conftest import painted

RULES = Rules(size=64, margin=0.0)
# A process that is forked would share the server from which ours get their processes.
spawn = multiprocessing.get_context("spawn")


class Halves(Whole):
    """Finds a face in each half of a picture that is twice as wide as high, one in a square, none in others."""

    def find(self, picture):
        height, width = picture.shape[:2]
        if width == 2 * height:
            return [Face(height, 0, height, height, 0.9), Face(0, 0, height, height, 0.8)]
        return [Face(0, 0, width, width)] if width == height else []


class Slow(Whole):
    def find(self, picture):
        time.sleep(0.05)
        return super().find(picture)


def run_slowly(raw, out):
    prepare(Work(raw, out, Slow(), RULES), 2)


def reasons(outcomes):
    return {case.outcome.raw.name: case.reason for case in report.cases(outcomes)}


def content(out):
    """Every file but the journal, whose order is that of the pictures anyway."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("processes", [1, 3])
def test_a_folder_becomes_a_data_set(raw, tmp_path, processes):
    (raw / "00.json").write_text(json.dumps({"tags": "blue_hair, smile", "caption": "a girl"}))
    out = tmp_path / "out"
    outcomes = prepare(Work(raw, out, Whole(), RULES), processes)
    assert set(reasons(outcomes).values()) == {None}
    manifest = read_manifest(out / "manifest.csv")
    assert len(manifest.rows) == 12
    about = {row.about[0]: dict(zip(manifest.about, row.about, strict=True)) for row in manifest.rows}
    row = next(row for row in manifest.rows if row.about[0] == "00.png")
    assert (row.tags, row.caption) == (("blue hair", "smile"), "a girl")
    assert about["00.png"]["source_sha256"] == hashlib.sha256((raw / "00.png").read_bytes()).hexdigest()
    assert float(about["00.png"]["sharpness"]) > RULES.least_sharpness
    wanted = Image.fromarray(painted(0)).resize((64, 64), Image.Resampling.BICUBIC)
    assert (np.asarray(Image.open(out / row.file)) == np.asarray(wanted)).all()
    assert sum(Folder(out, min_tag_count=1).count(split) for split in ("train", "validation", "test")) == 12


def test_what_is_left_out_and_why(raw, tmp_path):
    flat = np.full((96, 96, 3), 200, np.uint8)
    Image.fromarray(np.hstack([painted(20), painted(21)])).save(raw / "two.png")
    Image.fromarray(flat).save(raw / "flat.png")
    Image.fromarray(painted(22)[:80]).save(raw / "none.png")
    Image.fromarray(painted(23, 32)).save(raw / "small.png")
    Image.fromarray(cv2.GaussianBlur(painted(24), (0, 0), 4)).save(raw / "blurred.png")
    (raw / "broken.png").write_bytes(b"no picture")
    (raw / "again.png").write_bytes((raw / "03.png").read_bytes())
    Image.fromarray(cv2.GaussianBlur(painted(4)[:, ::-1], (0, 0), 0.6)).save(raw / "mirrored.png")
    Image.fromarray(cv2.resize(painted(5), (72, 72), interpolation=cv2.INTER_AREA)).save(raw / "reduced.jpg")
    outcomes = prepare(Work(raw, tmp_path / "out", Halves(), RULES), 2)
    told = {name: reason for name, reason in reasons(outcomes).items() if reason is not None}
    assert told == {
        "two.png": Reason.several, "flat.png": Reason.flat, "none.png": Reason.no_face, "small.png": Reason.small,
        "blurred.png": Reason.blurred, "broken.png": Reason.broken, "again.png": Reason.copy,
        "mirrored.png": Reason.near_copy, "reduced.jpg": Reason.near_copy,
    }  # fmt: skip
    kept = {path for path in content(tmp_path / "out") if path.startswith("faces/")}
    assert kept == {row.file for row in read_manifest(tmp_path / "out/manifest.csv").rows}
    assert len(kept) == 12


@pytest.mark.parametrize(("several", "count"), [(Several.largest, 1), (Several.all, 2)])
def test_a_picture_with_several_faces(tmp_path, several, count):
    (tmp_path / "raw").mkdir()
    Image.fromarray(np.hstack([painted(20), painted(21)])).save(tmp_path / "raw/two.png")
    rules = Rules(size=64, margin=0.0, several=several)
    (outcome,) = prepare(Work(tmp_path / "raw", tmp_path / "out", Halves(), rules), 1)
    assert len(outcome.faces) == count
    assert [face.square[0] for face in outcome.faces] in ([48.0, 144.0], [144.0])


def test_what_was_half_written_is_done_again(raw, tmp_path):
    out, work = tmp_path / "out", Work(raw, tmp_path / "out", Whole(), RULES)
    prepare(work, 1)
    whole = content(out)
    journal = out / "journal.jsonl"
    for lines in (0, 1, 7):
        begun = b"".join(journal.read_bytes().splitlines(keepends=True)[:lines])
        journal.write_bytes(begun + b'{"raw": ["half a li')
        (out / "manifest.csv").unlink(missing_ok=True)
        prepare(work, 1)
        assert content(out) == whole


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(raw, tmp_path):
    prepare(Work(raw, tmp_path / "whole", Whole(), RULES), 2)
    out = tmp_path / "out"

    journal = out / "journal.jsonl"
    for lines in (3, 7):
        victim = spawn.Process(target=run_slowly, args=(raw, out))
        victim.start()
        while victim.is_alive() and not (journal.exists() and journal.read_bytes().count(b"\n") > lines):
            time.sleep(0.005)
        # Its processes live on for a moment: they hold no lock.
        victim.kill()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL
        with journal.open("ab") as file:
            file.write(b'{"raw": ["half a li')
    prepare(Work(raw, out, Slow(), RULES), 2)
    first = journal.read_bytes()
    assert first.count(b"\n") == 13
    whole, again = content(tmp_path / "whole"), content(out)
    # The journal names the detector.
    assert {**again, "journal.jsonl": ""} == {**whole, "journal.jsonl": ""}
    # Done: nothing is looked at again, and nothing changes.
    prepare(Work(raw, out, Slow(), RULES), 2)
    assert content(out) == again


def test_what_is_new_changed_or_lost_is_looked_at(raw, tmp_path):
    out, work = tmp_path / "out", Work(raw, tmp_path / "out", Whole(), RULES)
    prepare(work, 2)
    before = content(out)
    victim = next((out / "faces").rglob("*.png"))
    victim.unlink()
    prepare(work, 1)
    assert content(out) == before
    Image.fromarray(painted(40)).save(raw / "new.png")
    Image.fromarray(painted(41)).save(raw / "00.png")
    (raw / "01.png").unlink()
    prepare(work, 1)
    sources = {row.about[0] for row in read_manifest(out / "manifest.csv").rows}
    assert "new.png" in sources
    assert "01.png" not in sources
    assert len(list((out / "faces").rglob("*.png"))) == 12


def test_other_rules_and_a_second_run_are_refused(raw, tmp_path):
    out = tmp_path / "out"
    prepare(Work(raw, out, Whole(), RULES), 1)
    with pytest.raises(UserError, match=r"was begun with size 64 \(now 32\): say the same, or give another --out"):
        prepare(Work(raw, out, Whole(), Rules(size=32, margin=0.0)), 1)
    with (out / "journal.jsonl").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another run prepares this folder"):
            prepare(Work(raw, out, Whole(), RULES), 1)


def test_a_place_that_cannot_be_written_is_told_and_costs_nothing(raw, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "faces").write_text("in the way")
    with pytest.raises(UserError, match=r"out: cannot be written \(.*\): mend that and start again, nothing is lost"):
        prepare(Work(raw, out, Whole(), RULES), 2)
    (out / "faces").unlink()
    assert len(prepare(Work(raw, out, Whole(), RULES), 2)) == 12
    assert len(read_manifest(out / "manifest.csv").rows) == 12


def test_where_nothing_is_left_no_old_manifest_stays(raw, tmp_path):
    out = tmp_path / "out"
    prepare(Work(raw, out, Whole(), RULES), 1)
    for path in raw.iterdir():
        path.write_bytes(b"broken since")
    assert {one.dropped for one in prepare(Work(raw, out, Whole(), RULES), 1)} == {Reason.broken}
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == ["journal.jsonl"]


def test_a_damaged_line_is_done_again_and_a_damaged_head_is_told(raw, tmp_path):
    work = Work(raw, tmp_path / "out", Whole(), RULES)
    prepare(work, 1)
    journal, whole = tmp_path / "out/journal.jsonl", read_manifest(tmp_path / "out/manifest.csv")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"\0\0\0\n", b'{"raw": ["another version"]}\n', *lines[4:]]))
    prepare(work, 1)
    assert read_manifest(tmp_path / "out/manifest.csv") == whole
    journal.write_bytes(b"\0\0\n" + b"".join(lines[1:]))
    with pytest.raises(UserError, match="is damaged in its first line: give another --out"):
        prepare(work, 1)


def test_labels_of_a_copy_and_what_is_said_beside_labels_are_not_lost(raw, tmp_path):
    """Of two equal files the first stays, and only the other has labels; `about_` columns of the raw folder stay."""
    (raw / "99.png").write_bytes((raw / "03.png").read_bytes())
    (raw / "manifest.csv").write_text(
        "file,tags,about_artist,about_source\n03.png,,,\n99.png,hat,mei,elsewhere\n05.png,smile,kei,there\n"
    )
    prepare(Work(raw, tmp_path / "out", Whole(), RULES), 1)
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert manifest.about[-1] == "artist"
    assert manifest.about.count("source") == 1
    rows = {row.about[0]: row for row in manifest.rows}
    assert rows["03.png"].tags == ("hat",)
    assert rows["03.png"].about[-1] == "mei"
    assert rows["05.png"].tags == ("smile",)
    assert rows["05.png"].about[-1] == "kei"
    assert rows["07.png"].tags is None


def test_faces_of_one_picture_stay_in_one_split(tmp_path):
    (tmp_path / "raw").mkdir()
    for number in range(8):
        pair = np.hstack([painted(2 * number), painted(2 * number + 1)])
        Image.fromarray(pair).save(tmp_path / f"raw/{number}.png")
    prepare(Work(tmp_path / "raw", tmp_path / "out", Halves(), Rules(size=64, margin=0.0, several=Several.all)), 1)
    splits = {}
    for row in read_manifest(tmp_path / "out/manifest.csv").rows:
        splits.setdefault(row.about[0], set()).add(row.split)
    assert len(splits) == 8
    assert all(len(found) == 1 for found in splits.values())
    assert len(set.union(*splits.values())) > 1


class OnPaper(Whole):
    """Finds the face that is drawn in the middle of a page."""

    def find(self, picture):
        height, width = picture.shape[:2]
        return [Face(width / 2 - 48, height / 2 - 48, 96, 96)]


def test_different_faces_on_alike_paper_are_no_copies(tmp_path):
    (tmp_path / "raw").mkdir()
    for number in range(6):
        page = np.full((480, 400, 3), 250, np.uint8)
        page[192:288, 152:248] = painted(number)
        Image.fromarray(page).save(tmp_path / f"raw/{number}.png")
    outcomes = prepare(Work(tmp_path / "raw", tmp_path / "out", OnPaper(), RULES), 1)
    assert set(reasons(outcomes).values()) == {None}


class Failing(Whole):
    """Has no memory for one picture, as long as a file is there."""

    def __init__(self, while_there):
        self.while_there = while_there

    def find(self, picture):
        if picture.shape[0] == 81 and self.while_there.exists():
            raise MemoryError
        return super().find(picture)

    def describe(self):
        return {"class": "Failing"}


def test_what_may_go_better_is_tried_again(raw, tmp_path):
    Image.fromarray(painted(60, 81)).save(raw / "05x.png")
    (tmp_path / "busy").touch()
    work = Work(raw, tmp_path / "out", Failing(tmp_path / "busy"), RULES)
    assert reasons(prepare(work, 1))["05x.png"] is Reason.broken
    (tmp_path / "busy").unlink()
    assert reasons(prepare(work, 1))["05x.png"] is None


class Deadly(Whole):
    """Is killed by one picture, as for want of memory."""

    def find(self, picture):
        if picture.shape[0] == 81:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().find(picture)


def test_a_picture_that_ends_its_process_costs_itself_alone(raw, tmp_path):
    Image.fromarray(painted(60, 81)).save(raw / "05x.png")
    outcomes = prepare(Work(raw, tmp_path / "out", Deadly(), RULES), 2)
    told = {name: reason for name, reason in reasons(outcomes).items() if reason is not None}
    assert told == {"05x.png": Reason.broken}
    assert next(one for one in outcomes if one.raw.name == "05x.png").why == "the process that read it was ended"


def test_outcomes_are_remembered_as_they_are(raw, tmp_path):
    outcomes = prepare(Work(raw, tmp_path / "out", Whole(), RULES), 1)
    assert [Outcome.from_json(json.loads(json.dumps(one.as_json()))) for one in outcomes] == outcomes


def test_names_of_any_bytes_and_of_any_meaning(tmp_path):
    folder = tmp_path / "raw"
    names = [
        b"\xe9.png",
        b"a" * 251 + b".png",
        b"<script>alert(1)<.png",
        b" x\n\r\t.png",
        "顔.png".encode(),
        b"=1+1.png",
    ]
    for number, name in enumerate(names):
        path = folder / Path(os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(painted(number)).save(path)
    out = tmp_path / "out"
    work = Work(folder, out, Whole(), RULES)
    outcomes = prepare(work, 1)
    assert {row.about[0] for row in read_manifest(out / "manifest.csv").rows} == set(map(os.fsdecode, names))
    page = report.as_html(outcomes, folder, pipeline.told(work))
    assert "<script>" not in page
    assert page.count("<img ") == 6
    page.encode()
    json.dumps(report.as_json(outcomes, pipeline.told(work)))
