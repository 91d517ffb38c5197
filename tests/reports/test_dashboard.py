"""TensorBoard's copy of the runs says what the runs say, once, on clocks that can be compared."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import SummaryWriter

from anime_gen.contract import Condition, UserError
from anime_gen.images import cut, tile
from anime_gen.metrics.protocol import Record, append, read
from anime_gen.reports.dashboard import ALL, Dashboard, disagreements, telling, typed
from anime_gen.reports.runs import folders
from anime_gen.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = Vocabulary(tags=("smile",), attributes={})
STARTED = "2026-01-02T03:04:05+00:00"
BEGAN = 1767323045.0


def picture(value: int) -> torch.Tensor:
    return torch.full((3, 16, 16), value, dtype=torch.uint8)


def begin(path: Path, family: str, seed: int, **model: object) -> Path:
    """A run folder before its first scoring."""
    path.mkdir(parents=True)
    config = {
        "seed_everything": seed,
        "trainer": {"callbacks": [{"class_path": "anime_gen.callbacks.Grids", "init_args": {"rows": 2, "columns": 2}}]},
        "model": {"class_path": f"anime_gen.families.{family}.Family", "init_args": model},
        "data": {"image_size": 16, "source": {"class_path": "anime_gen.data.PaintedFaces"}},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    machine = {"cores": 2, "gpus": [], "system": "Linux"}
    sitting = {"started": STARTED, "git": {"commit": "abc"}, "machine": machine, "packages": {"torch": "2"}}
    (path / "provenance.json").write_text(json.dumps([sitting]))
    return path


def train(path: Path, images: range, second: float, value: float, told: bool, num_fake: int = 64) -> None:
    """What a sitting leaves: curves at each of `images`, a score and a grid at the last."""
    with SummaryWriter(str(path), filename_suffix=f".{images.start}") as writer:
        for step in images:
            writer.add_scalar("train/loss", 1 / step, step, walltime=1e9)
            writer.add_scalar("time/seconds", step * second, step, walltime=1e9)
        writer.add_scalar("score/fd", 12345.0, images[-1])
        writer.add_scalar("hp_metric", -1, 0)
    last = images[-1]
    protocol = {"extractor": "judge", "num_fake": num_fake, "split": "validation", "observed": {"num_asked": last}}
    records = [
        Record("fd", value, last, last * second, protocol),
        Record("tag_f1", 0.5 if told else None, last, last * second, protocol),
    ]
    append(path / "metrics.json", records)
    (path / "grids").mkdir(exist_ok=True)
    condition = Condition(tags_BT=torch.ones(2, 1)) if told else None
    pictures = torch.stack([picture(10 * i) for i in range(1, 5)])
    tile(pictures, 2, condition, WORDS).save(path / "grids" / f"{last:09d}.png")


@pytest.fixture
def runs(tmp_path) -> Path:
    """A family that is told tags, at two seeds, and one that is told nothing and is faster."""
    root = tmp_path / "runs"
    for seed in (0, 1):
        path = begin(root / "told" / str(seed), "told", seed, lr=0.1, network={"class_path": "anime_gen.A"})
        train(path, range(10, 101, 10), 2.0, 20.0 + seed, True)
    path = begin(root / "blind" / "a", "blind", 0, lr=0.2)
    train(path, range(10, 101, 10), 0.5, 30.0, False)
    return root


def events(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    read.Reload()
    return read


@pytest.fixture
def board(runs, tmp_path):
    board = Dashboard(runs, tmp_path / "board")
    board.sync()
    yield board
    board.close()


def test_every_run_is_there_once(board):
    found = {path.parent.relative_to(board.target).as_posix() for path in board.target.rglob("events.*")}
    assert found == {ALL, "told/0", "told/1", "blind/a"}


def test_a_copy_has_the_runs_points_on_the_clock_of_training(board):
    read = events(board.target / "blind" / "a")
    assert set(read.Tags()["scalars"]) == {"train/loss", "time/seconds", "score/fd"}  # no hp_metric, no tag_f1
    loss = read.Scalars("train/loss")
    assert [event.step for event in loss] == list(range(10, 101, 10))
    assert [event.wall_time - BEGAN for event in loss] == pytest.approx([0.5 * event.step for event in loss])
    (score,) = read.Scalars("score/fd")
    assert (score.step, score.value, score.wall_time - BEGAN) == (100, 30.0, 50.0)  # metrics.json's, not the events'


def test_what_a_resumed_run_repeats_is_there_once(board, runs):
    train(runs / "told" / "0", range(80, 201, 10), 2.0, 10.0, True)
    board.sync()
    board.sync()
    read = events(board.target / "told" / "0")
    assert [event.step for event in read.Scalars("train/loss")] == list(range(10, 201, 10))
    assert [(event.step, event.value) for event in read.Scalars("score/fd")] == [(100, 20.0), (200, 10.0)]
    assert [image.step for image in read.Images("samples")] == [100, 200]


def test_a_run_that_has_only_begun_and_one_that_comes_later(board, runs):
    begin(runs / "late" / "x", "late", 0, lr=0.3)
    board.sync()
    assert "scalars" in events(board.target / "late" / "x").Tags()
    train(runs / "late" / "x", range(10, 51, 10), 1.0, 5.0, False)
    board.sync()
    assert events(board.target / "late" / "x").Scalars("score/fd")[0].value == 5.0


def test_the_layout_has_a_chart_for_each_score(board):
    read = events(board.target / ALL)
    layout = Layout.FromString(read.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    charts = {category.title: [chart.title for chart in category.chart] for category in layout.category}
    assert charts == {"Scores": ["fd", "tag_f1"], "Training": ["loss"], "Speed and memory": ["seconds"]}
    assert list(layout.category[0].chart[0].multiline.tag) == ["^score/fd$"]


def test_content_and_rendering_are_side_by_side_and_first(board, runs):
    path = runs / "told" / "0" / "metrics.json"
    first, *_ = read(path)
    append(path, [first._replace(name=name, value=1.0) for name in ("fd_render", "swd_32", "fd_judge")])
    board.sync()
    written = events(board.target / ALL)
    layout = Layout.FromString(written.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    assert [chart.title for chart in layout.category[0].chart] == ["fd_judge", "fd_render", "fd", "tag_f1", "swd_32"]


def plugin(folder: Path, tag: str) -> HParamsPluginData:
    return HParamsPluginData.FromString(events(folder).SummaryMetadata(tag).plugin_data.content)


def test_settings_have_a_row_for_each_run_and_a_column_for_each_that_differs(board):
    experiment = plugin(board.target / ALL, "_hparams_/experiment").experiment
    titles = {info.name: info.display_name for info in experiment.hparam_infos}
    assert list(titles.values()) == ["family", "model", "model.lr", "seed_everything"]
    assert [info.name.tag for info in experiment.metric_infos] == ["score/fd", "score/tag_f1"]
    started = plugin(board.target / "told" / "1", "_hparams_/session_start_info").session_start_info
    row = {titles[name]: value for name, value in started.hparams.items()}
    assert row["family"].string_value == "told"
    assert row["model"].string_value == "Family"
    assert row["model.lr"].number_value == 0.1
    assert row["seed_everything"].number_value == 1
    assert started.group_name == "told/1"


def test_typed():
    config = {
        "model": {"class_path": "a.B", "init_args": {"lr": 1, "betas": [0, 1], "text": {"class_path": "a.C"}}},
        "trainer": {"callbacks": [1], "max_epochs": 2},
        "run": "x",
    }
    found = {"model": "a.B", "model.lr": 1, "model.betas": [0, 1], "model.text": "a.C", "trainer.max_epochs": 2}
    assert typed(config) == found
    # What only some runs have sets nothing apart if they agree in it.
    assert telling([{"a": 1, "model.x": 1}, {"a": 2, "model.x": 2, "b": 3}]) == ["family", "model.x", "a"]


def shown(read: EventAccumulator, tag: str) -> np.ndarray:
    import io

    return np.asarray(Image.open(io.BytesIO(read.Images(tag)[-1].encoded_image_string)).convert("RGB"))


def test_grids_are_aligned(board):
    """Each run's first two pictures for each condition, in the same rows; no run's conditions but once."""
    sheet = shown(events(board.target / ALL), "aligned/1")
    for value in (10, 20, 30, 40):
        alike = (sheet == value).all(2)
        assert alike.sum() >= 3 * 96 * 96, "three runs have this picture"
    first, third = ((sheet == value).all(2).any(1).argmax() for value in (10, 30))
    assert third - first == 100


@pytest.mark.parametrize("told", [True, False])
def test_cut_takes_apart_what_tile_joined(told):
    pictures = torch.stack([picture(10 * i) for i in range(1, 7)])
    condition = Condition(tags_BT=torch.ones(2, 1)) if told else None
    panels, rows = cut(tile(pictures, 3, condition, WORDS), 3, 16)
    assert [[np.unique(np.asarray(one)).tolist() for one in row] for row in rows] == [
        [[10], [20], [30]], [[40], [50], [60]]
    ]  # fmt: skip
    assert rows[0][0].size == (96, 96)
    assert (panels.width > 0) == told


def test_texts_say_scores_protocol_and_settings(board):
    read = events(board.target / "told" / "0")
    summary, protocol, settings = (
        read.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0].decode()
        for tag in ("1 summary", "2 protocol", "3 settings")
    )
    assert "| fd | 20 |" in summary
    assert "abc" in summary
    assert "| num_fake | `64` |" in protocol
    assert "    seed_everything: 0" in settings


def test_scores_that_were_not_measured_alike_are_named(board, runs):
    guide = "0 how to read this/text_summary"
    assert b"Not to be compared" not in events(board.target / ALL).Tensors(guide)[-1].tensor_proto.string_val[0]
    train(runs / "blind" / "a", range(110, 121, 10), 0.5, 30.0, False, num_fake=9)
    board.sync()
    text = events(board.target / ALL).Tensors(guide)[-1].tensor_proto.string_val[0].decode()
    assert "| fd | num_fake: `64` in told/0, told/1; `9` in blind/a |" in text.replace(
        "`9` in blind/a; `64` in told/0, told/1", "`64` in told/0, told/1; `9` in blind/a"
    )
    assert "tag_f1" not in text


def test_what_is_not_known_of_a_runs_start_is_left_out(board, runs):
    (begin(runs / "bare" / "x", "bare", 0) / "provenance.json").write_text('[{"started": "some day"}]')
    board.sync()
    text = events(board.target / "bare" / "x").Tensors("1 summary/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "some day, 1 sitting(s)" in text


def test_a_broken_grid_is_named(board, runs):
    path = begin(runs / "broken" / "x", "broken", 0) / "grids" / "000000010.png"
    path.parent.mkdir()
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(UserError, match=r"000000010.png is no picture .*: delete it"):
        board.sync()
    path.unlink()


def test_what_is_observed_may_differ():
    one, two = (Record("fd", 1.0, 1, 1.0, {"n": 1, "observed": {"seen": n}, "system": {"x": n}}) for n in (1, 2))
    assert disagreements({"a": [one], "b": [two]}) == []


def test_runs_behind_links_are_found(runs, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "far").symlink_to(runs)
    assert [path.relative_to(linked).as_posix() for path in folders(linked)] == [
        "far/blind/a",
        "far/told/0",
        "far/told/1",
    ]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No GPU, no sandbox (which containers forbid), and no calls home.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
# What each page must show of the runs; texts are matched as parts.
PAGES = {
    "timeseries": ["aligned/1", "told/0", "blind/a"],
    "custom_scalars": ["Scores", "tag_f1", "Matches (3)", "told/1", "blind/a"],
    "hparams": ["model.lr", "0.20000", "told/0", "blind/a", "fd", "21.000"],
    "images": ["aligned/1", "samples", "told/0", "blind/a"],
    "text": ["how to read this", "2 protocol", "told/1", "blind/a", "PaintedFaces"],
}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
def test_a_browser_shows_all_families(runs, tmp_path):
    """`make dashboard` in a real browser; screenshots lie in the test's folder."""
    from playwright.sync_api import sync_playwright

    words = [sys.executable, "-m", "anime_gen", "dashboard", str(runs), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        try:
            assert server.stderr is not None
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://localhost:\d+/", line)))
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, texts in PAGES.items():
                page = browser.new_page(viewport={"width": 1600, "height": 1000})
                page.goto(f"{address}#{name}")
                for text in texts:
                    page.get_by_text(text).filter(visible=True).first.wait_for(timeout=30_000)
                page.screenshot(path=str(tmp_path / f"{name}.png"), timeout=60_000)
                if name == "images":
                    assert page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 100)")
                    assert page.locator("img").count() == 4  # one aligned, three runs'
                page.close()
        finally:
            server.terminate()


def test_no_runs(here, tmp_path):
    done = here("dashboard", tmp_path)
    assert done.returncode == 2
    assert "there is no run in" in done.stderr.strip().splitlines()[-1]
