"""One small run, and everything a user does with it."""

import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from anime_gen.cli.compare import faces
from anime_gen.cli.tradeoff import changed as changed_setting
from anime_gen.cli.tradeoff import opened
from anime_gen.cli.train import suite
from anime_gen.conditions.landmarks import read
from anime_gen.conditions.text import caption_tokens
from anime_gen.contract import UserError
from anime_gen.families.diffusion.module import DiffusionSettings
from anime_gen.images import quantise
from anime_gen.reports.runs import read_run
from anime_gen.run.opened import data_of
from anime_gen.run.trained import load
from anime_gen.vocabulary import LANDMARKS

ROOT = Path(__file__).resolve().parent.parent.parent

TEXT = {"class_path": "anime_gen.families.diffusion.TrainedText", "init_args": {"width": 8, "layers": 1}}
SETTINGS = {
    "model": {
        "init_args": {
            "network": {"init_args": {"channels": [8, 16]}},
            "text": TEXT,
            "sketch": True,
            "settings": {"steps": 2},
        }
    },
    "data": {
        "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
        "image_size": 16,
        "batch_size": 8,
        "epoch_images": 32,
        "score_images": 16,
    },
    "trainer": {"max_epochs": 2, "precision": "32-true"},
}


@pytest.fixture(scope="module")
def run(anime_gen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    overlay = folder / "small.yaml"
    overlay.write_text(yaml.safe_dump(SETTINGS))
    path = folder / "diffusion" / "one"
    yamls = ("-c", "experiments/shared.yaml", "-c", "experiments/family/diffusion.yaml", "-c", overlay)
    done = anime_gen("fit", *yamls,
                     "--run", path)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(path) in done.stdout
    assert "fd_judge" in done.stdout
    return path


def test_a_run_holds_everything(run):
    assert (run / "config.yaml").exists()
    for name in ("last", "best"):
        assert (run / "checkpoints" / f"{name}.ckpt").exists()
    assert list(run.glob("events.out.tfevents.*"))
    assert [path.name for path in sorted((run / "grids").glob("*.png"))] == ["000000032.png", "000000064.png"]
    [sitting] = json.loads((run / "provenance.json").read_text())
    assert sitting["packages"]["torch"] == torch.__version__.split("+")[0]
    records = json.loads((run / "metrics.json").read_text())
    assert {record["nimg"] for record in records} == {32, 64}
    for record in records:
        assert set(record) == {"name", "value", "nimg", "seconds", "protocol"}
        if record["protocol"].get("split"):  # what a run has cost has none
            assert record["protocol"]["system"]["weights"] == "averaged"
            assert record["protocol"]["data"]
        assert record["protocol"]["better"] in ("higher", "lower", None)
    names = {record["name"] for record in records}
    assert {"fd_judge", "kd_judge", "tag_f1", "accuracy_hair", "landmark_failures", "nearest_ratio_judge"} <= names


def test_the_grid_is_not_empty(run):
    pixels = np.asarray(Image.open(run / "grids" / "000000064.png"))
    assert pixels.std() > 10


def test_a_run_is_never_overwritten(run, here):
    again = here("fit", "--config", run / "config.yaml", "--run", run)
    assert again.returncode == 2
    assert "holds a run already" in again.stderr.splitlines()[-1]


def test_a_refused_run_leaves_its_name_to_the_next_try(here, tmp_path):
    command = ("fit", "-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml",
               "-c", "experiments/overlay/debug.yaml", "--run", tmp_path / "first")  # fmt: skip
    refused = here(*command, "--data.epoch_images=65", "--data.batch_size=64")
    assert refused.returncode == 2
    assert "not whole batches of 64" in refused.stderr.splitlines()[-1]
    assert "picture/s" not in refused.stderr, "20,000 faces were painted before a number was looked at"
    assert not (tmp_path / "first").exists()


def test_loading_gives_the_averaged_weights(run):
    trained = load(run, "last")
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    averaged = saved["callbacks"]["EMA"]["averaged"]
    differs = False
    for name, value in trained.module.averaged.state_dict().items():
        torch.testing.assert_close(value, averaged[name])
        differs |= not torch.equal(value, saved["state_dict"][f"network.{name}"])
    assert differs, "the average is the trained network: it was never averaged"


def test_sample_writes_what_was_asked(run, here, tmp_path):
    points = tmp_path / "points.json"
    points.write_text(json.dumps({name: [0.2 + 0.02 * i, 0.5] for i, name in enumerate(LANDMARKS)}))
    out = tmp_path / "new" / "grid.png"
    lines = tmp_path / "lines.png"
    Image.fromarray(np.tril(np.full((40, 40), 255, np.uint8))).save(lines)
    done = here("sample", run, "--tags", "blue_hair, smile, -hat", "--landmarks", points, "--sketch", lines,
                "--caption", "1girl, blue hair", "--guidance", "{tags: 3, sketch: 2}", "--steps", "3",
                "--seeds", "0-4,9", "--columns", "3", "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    picture = Image.open(out)
    assert picture.width > picture.height  # three columns, two rows
    assert "best.ckpt" in done.stdout
    singles = tmp_path / "singles"
    same = [here("sample", run, "--seeds", seeds, "--out", f"{singles}/{i}/") for i, seeds in enumerate(("7", "3-9"))]
    assert [result.returncode for result in same] == [0, 0]
    alone, among = (np.asarray(Image.open(singles / f"{i}" / "000007.png")) for i in (0, 1))
    np.testing.assert_array_equal(alone, among)


def test_each_way_to_ask_arrives(run, here, tmp_path, monkeypatch):
    lines = tmp_path / "lines.png"
    Image.fromarray(np.tril(np.full((40, 40), 255, np.uint8))).save(lines)
    asked = []

    def sample(module, condition, seeds, settings, preview):
        asked.append(condition)
        return torch.zeros(len(seeds), 3, 16, 16)

    monkeypatch.setattr("anime_gen.contract.GenerativeModule.sample", sample)
    for words in ((), ("--caption", "silver hair"), ("--sketch", lines), ("--trace", lines), ("--tags", "silver hair")):
        assert here("sample", run, *words, "--seeds", "1", "--out", tmp_path / "x.png").returncode == 0
    nothing, caption, sketch, trace, tags = asked
    assert not nothing.caption_BL.any()
    assert caption.caption_BL[0, :2].tolist() == caption_tokens("silver hair")[:2].tolist()
    assert bool(nothing.sketch_B1HW.isnan().all())
    assert float(sketch.sketch_B1HW[0, 0, 0, -1]) == 1  # black, above the diagonal
    assert float(sketch.sketch_B1HW[0, 0, -1, 0]) == 0
    assert 0 < float(trace.sketch_B1HW.mean()) < 0.5
    assert int((nothing.attributes_BA >= 0).sum()) == 0
    assert int((tags.attributes_BA >= 0).sum()) == 1
    assert int(tags.tags_BT.nansum()) == 1
    both = here("sample", run, "--sketch", lines, "--trace", lines)
    assert both.returncode == 2
    assert "--sketch and trace: give one of the two" in both.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--tags", "blu hair"), "near: blue hair"),
        (("--tags", "blue hair, red hair"), "both"),
        (("--seeds", "9-3"), "0-63"),
        (("--guidance", "much"), "guidance"),
        (("--steps", "0"), "at least 1"),
        (("--landmarks", "/no/such.json"), "No such file"),
        (("--sketch", "/no/such.png"), "is no picture"),
        (("--trace", "README.md"), "is no picture"),
        (("--guidance", "{labels: 3}"), "some of attributes, tags, text, landmarks, sketch"),
        (("--stepps", "3"), "stepps"),
        (("--out", "grid.xyz"), ".xyz is no kind of picture"),
        (("--device", "foo"), "no such device"),
        (("--seeds", "99999999999999999999"), "below 2**63"),
        (("--checkpoint", "bset"), "it holds: best, last"),
    ],
)
def test_sample_says_what_is_wrong(run, here, words, expected, monkeypatch):
    monkeypatch.setattr("anime_gen.contract.GenerativeModule.sample", None)  # all of this is found before
    done = here("sample", run, *words)
    assert done.returncode == 2, done.stderr[-1500:]
    assert expected in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("width", [0, "a", None])
def test_landmarks_in_pixels_of_no_picture(run, here, tmp_path, width):
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"width": width, "height": 64, "landmarks": {LANDMARKS[0]: [1, 2]}}))
    done = here("sample", run, "--landmarks", points)
    assert done.returncode == 2
    assert "width and height" in done.stderr.strip().splitlines()[-1]


def changed(run, folder, change):
    """A copy of the run's last checkpoint, changed."""
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    change(saved)
    torch.save(saved, folder / "changed.ckpt")
    return folder / "changed.ckpt"


def test_a_run_without_ema_gives_its_trained_weights(run, here, tmp_path):
    path = changed(run, tmp_path, lambda saved: saved["callbacks"].pop("EMA"))
    weights = torch.load(path, weights_only=True)["state_dict"]
    for name, value in load(path).module.averaged.state_dict().items():
        torch.testing.assert_close(value, weights[f"network.{name}"], rtol=0, atol=0)
    done = here("validate", "--config", run / "config.yaml", "--run", tmp_path / "v", "--ckpt_path", path)
    assert done.returncode == 0, done.stderr[-2000:]
    records = json.loads((tmp_path / "v" / "metrics.json").read_text())
    assert {record["protocol"]["system"]["weights"] for record in records} == {"trained"}


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved.update(family="anime_gen.families.diffusion.module.Renamed"),
        lambda saved: saved.update(family="anime_gen.families.gone.module.Gone"),
        lambda saved: saved["hyper_parameters"].update(num_tags=7),
        lambda saved: saved["state_dict"].popitem(),
    ],
)
def test_a_checkpoint_that_the_code_has_left_behind(run, tmp_path, change):
    with pytest.raises(UserError, match="does not fit today's"):
        load(changed(run, tmp_path, change))


def test_scoring_again_gives_the_same_scores(run, here, tmp_path):
    """`validate` on the last checkpoint repeats the last scores of the run: EMA weights, seeds and conditions agree."""
    before = json.loads((run / "metrics.json").read_text())
    config = yaml.safe_load((run / "config.yaml").read_text())
    settings = tmp_path / "config.yaml"
    settings.write_text(yaml.safe_dump(config))
    done = here("validate", "--config", settings, "--run", tmp_path / "again",
                     "--ckpt_path", run / "checkpoints" / "last.ckpt")  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    # What the run has cost has no split.
    last = {r["name"]: r["value"] for r in before if r["nimg"] == 64 and "split" in r["protocol"]}
    assert [record["name"] for record in again] == list(last)
    for record in again:
        expected = last[record["name"]]
        assert record["value"] == (None if expected is None else pytest.approx(expected, rel=1e-5, abs=1e-9))


def test_test_and_predict(run, here, tmp_path):
    """They leave the run alone, and put what they find beside it."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    common = ("--config", run / "config.yaml", "--ckpt_path", run / "checkpoints" / "best.ckpt")
    into = here("test", *common, "--run", run)
    assert into.returncode == 2
    assert "holds a run already" in into.stderr
    tested = here("test", *common)
    assert tested.returncode == 0, tested.stderr[-2000:]
    beside = run.with_name("one-test")
    records = json.loads((beside / "metrics.json").read_text())
    assert {record["protocol"]["split"] for record in records} == {"test"}
    assert f"{beside}:" in tested.stdout
    predicted = here("predict", *common)
    assert predicted.returncode == 0, predicted.stderr[-2000:]
    assert len(list(run.with_name("one-predict").glob("predictions/*.png"))) == 30  # 0.15 of 200
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_resumed_run_is_no_trap_for_the_next(run, here, tmp_path):
    """Its settings start a new run from the beginning, and never a second time in a folder that holds one."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    resumed = here("resume", copy, "--trainer.max_epochs=3")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    settings = yaml.safe_load((copy / "config.yaml").read_text())
    assert (settings["trainer"]["max_epochs"], settings["ckpt_path"], settings["run"]) == (3, None, None)
    again = here("fit", "--config", copy / "config.yaml", "--run", copy,
                 "--ckpt_path", copy / "checkpoints" / "last.ckpt")  # fmt: skip
    assert again.returncode == 2
    assert "holds a run already" in again.stderr


@pytest.mark.parametrize(("rank", "refused"), [("0", True), ("1", False)])
def test_under_torchrun_the_first_rank_claims_the_folder(run, monkeypatch, rank, refused):
    monkeypatch.setenv("LOCAL_RANK", rank)
    words = ["fit", "--config", str(run / "config.yaml"), "--run", str(run)]
    monkeypatch.setattr("anime_gen.cli.train.SuiteCLI.instantiate_classes", lambda self: None)
    monkeypatch.setattr("anime_gen.cli.train.SuiteCLI._run_subcommand", lambda self, subcommand: None)
    with pytest.raises(UserError, match="holds a run already") if refused else nullcontext():
        suite(words)


def test_the_folder_has_the_name_of_the_family_yaml(here):
    cli = suite(["-c", "experiments/shared.yaml", "-c", "experiments/family/mlpgan.yaml"], run=False)
    assert cli.config.run.startswith("runs/mlpgan/")


def test_describe(here):
    done = here("describe", "experiments/family/dcgan.yaml", "--depth", "9")
    assert done.returncode == 0, done.stderr[-2000:]
    generator, discriminator = (
        int(re.search(rf"^{name}.*: ([\d,]+) parameters", done.stdout, re.M)[1].replace(",", ""))
        for name in ("generator", "discriminator")
    )
    total = int(re.search(r"all networks: ([\d,]+)", done.stdout)[1].replace(",", ""))
    assert total == generator + discriminator
    parts = re.findall(r"^( +)\S+ +([\d,]+)$", done.stdout, re.M)
    assert sum(int(count.replace(",", "")) for indent, count in parts if len(indent) == 2) == total
    assert max(len(indent) for indent, _ in parts) > 2  # and what those consist of
    assert "multiply-adds" in done.stdout
    assert "kept for the backward" in done.stdout


def test_tradeoff(run, here):
    """At the run's own setting it repeats the run's scores; what was given for another setting is held."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = here("tradeoff", run, "--vary", "steps", "--over", "3,2", "--checkpoint", "last", "--quality", "kd_judge")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = run / "tradeoff" / "steps"
    records = json.loads((folder / "metrics.json").read_text())
    at = {
        steps: {r["name"]: r["value"] for r in records if r["protocol"]["system"]["varied"] == {"steps": steps}}
        for steps in (2, 3)
    }
    own = [record for record in json.loads((run / "metrics.json").read_text()) if record["nimg"] == 64]
    for record in own:
        # Costs have no split, and no grids are drawn here.
        if "split" not in record["protocol"] or record["name"].startswith("diversity"):
            continue
        value = record["value"]
        assert at[2][record["name"]] == (None if value is None else pytest.approx(value, rel=1e-5, abs=1e-9))
    assert at[3]["kd_judge"] != at[2]["kd_judge"]
    assert at[3]["tag_f1_real"] == at[2]["tag_f1_real"]
    assert {r["protocol"]["num_real"] for r in records if r["name"] == "fd_judge"} == {16}  # counted once
    assert {r["protocol"]["system"]["sampling"]["steps"] for r in records} == {2, 3}
    table = (folder / "scores.csv").read_text().splitlines()
    assert table[0].startswith("steps,fd_judge,kd_judge")
    assert [line.split(",")[0] for line in table[1:]] == ["3", "2"]
    assert float(table[2].split(",")[2]) == at[2]["kd_judge"]
    assert "kd_judge" in done.stdout
    for name in ("scores", "control"):
        assert Image.open(folder / f"{name}.png").width > 700
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("vary", "over", "expected"),
    [
        ("stepps", "1,2", "there is no such setting; it is one of steps, guidance"),
        ("steps", "few,many", "--over: steps"),
        ("steps", "0,1", "at least 1"),
        ("steps", "2", "at least two values"),
        ("steps", "2,2", "each once"),
        ("steps", "{2", "with commas"),
        ("guidance.labels", "1,2", "some of attributes, tags, text, landmarks, sketch"),
    ],
)
def test_tradeoff_says_what_is_wrong(run, here, monkeypatch, vary, over, expected):
    monkeypatch.setattr("lightning.Trainer.validate", None)  # all of this is found before
    done = here("tradeoff", run, "--vary", vary, "--over", over)
    assert done.returncode == 2, done.stderr[-1500:]
    assert expected in done.stderr.strip().splitlines()[-1]


def test_the_other_settings_can_be_held_elsewhere(run, tmp_path):
    cli = opened(run, run / "checkpoints" / "last.ckpt", tmp_path, ["--model.settings.guidance={landmarks: 2}"])
    assert cli.model.settings.guidance == {"landmarks": 2}
    assert changed_setting(cli.model.settings, "guidance.tags", 7).guidance == {"landmarks": 2, "tags": 7}


def test_one_entry_of_a_mapping_is_varied():
    settings = DiffusionSettings(guidance={"tags": 1.0, "landmarks": 3.0}, rescale=0.5)
    version = changed_setting(settings, "guidance.tags", 7)
    assert (version.guidance, version.rescale) == ({"tags": 7.0, "landmarks": 3.0}, 0.5)
    assert changed_setting(DiffusionSettings(guidance=2.0), "guidance.tags", 7).guidance == {"tags": 7.0}
    with pytest.raises(UserError, match="this family's sampler has no settings"):
        changed_setting(None, "steps", 3)
    heun = changed_setting(settings, "sampler", "anime_gen.families.diffusion.Heun")
    assert "Heun" in repr(heun)


def test_compare(run, here, tmp_path):
    """One run: no winner, its curves and its faces."""
    done = here("compare", run, "--out", tmp_path / "out", "--faces", "2", "--at", "final", "--scores", "fd_judge")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "At each run's last scoring" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"compare.{form}" for form in ("txt", "csv", "json", "md", "html")),
        *(f"{name}.png" for name in ("images", "seconds", "faces")),
    }  # fmt: skip
    for words, expected in (
        (("--at", "luck"), "images"),
        ((tmp_path / "nowhere",), "there is no folder"),
        (("--scores", "fid"), "no run has it"),
    ):
        done = here("compare", run, *words, "--out", tmp_path / "no")
        assert done.returncode == 2
        assert expected in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "no").exists()


def test_what_cannot_draw_is_left_out_of_the_faces(run, tmp_path):
    """Without a checkpoint, on other pictures: a line says so, and the others are drawn."""
    bare, other = tmp_path / "bare", tmp_path / "other"
    for copy in (bare, other):
        shutil.copytree(run, copy)
    shutil.rmtree(bare / "checkpoints")
    settings = yaml.safe_load((other / "config.yaml").read_text())
    settings["data"]["source"]["init_args"]["seed"] = 5
    (other / "config.yaml").write_text(yaml.safe_dump(settings))
    named = {"bare": [read_run(bare)], "one": [read_run(run)], "other": [read_run(other)]}
    sheet, left_out = faces(named, rows=1)
    alone, nothing = faces({"one": [read_run(run)]}, rows=1)
    assert sheet.tobytes() == alone.tobytes()
    assert nothing == []
    assert "bare: not drawn" in left_out[0]
    assert left_out[1:] == ["other: trained on other pictures or words, not drawn"]
    assert faces({"bare": [read_run(bare)]}, rows=1)[0] is None


def test_every_family_draws_the_same_faces(run):
    """Two names for one run: the same pictures, those of `sample` with these seeds, beside the real ones."""
    one = read_run(run)
    sheet, left_out = faces({"a": [one], "b": [one]}, rows=2)
    assert left_out == []
    trained = load(run)
    batch = next(iter(data_of(run).loader("validation", trained.module.needs, 2)))
    made = quantise(trained.module.sample(batch.condition.rows(slice(2)), [1, 1]))
    pixels = np.asarray(sheet)
    side, gap = 96, 4  # 16 px, enlarged six times

    def at(row, column):
        x = sheet.width - (5 - column) * (side + gap)
        y = sheet.height - (2 - row) * (side + gap)
        return pixels[y : y + side : 6, x : x + side : 6].transpose(2, 0, 1)

    for row in (0, 1):
        np.testing.assert_array_equal(at(row, 0), quantise(batch.image_BCHW)[row].numpy())
        for column in (2, 4):  # seed 1 of each
            np.testing.assert_array_equal(at(row, column), made[row].numpy())


def test_the_readmes_landmarks_are_those_there_are(tmp_path):
    readme = (ROOT / "anime_gen" / "conditions" / "README.md").read_text()
    example = readme.split("```json\n")[1].split("```")[0]
    points = read(json.loads(example))
    assert int((~points.isnan().any(-1)).sum()) == 4
    left, right = (points[0, LANDMARKS.index(f"{side}_eye_pupil"), 0] for side in ("left", "right"))
    assert left > right, "the character's own left"
    named = set(re.findall(r"`(\w+)`", readme.split("The 24 are ")[1].split("\n\n")[0]))
    both = {name.partition("_")[2] for name in LANDMARKS if name.startswith("right_")}
    alone = {name for name in LANDMARKS if not name.startswith(("left_", "right_"))}
    assert named == both | alone | {"left_", "right_"}


def test_pictures_of_another_painter_are_not_trained_on(run, here, tmp_path):
    """It would go on with other pictures under the same name; nothing of it may change."""
    copy = tmp_path / "older"
    shutil.copytree(run, copy)
    metrics = copy / "metrics.json"
    metrics.write_text(re.sub(r'"painter": "\w+"', '"painter": "1"', metrics.read_text()))
    before = metrics.read_bytes()
    resumed = here("resume", copy, "--trainer.max_epochs=3")
    assert resumed.returncode == 2
    last = resumed.stderr.splitlines()[-1]
    assert "cannot go on: its pictures were drawn by version 1 of the painter" in last
    assert re.search(r"take the version of the suite that made it( \(git checkout \w{12}\))?; or begin", last)
    assert metrics.read_bytes() == before
    shown = here("sample", copy, "--seeds", "0-3", "--out", tmp_path / "grid.png")
    assert shown.returncode == 0, shown.stderr[-2000:]
