"""Landmarks by mmpose: the interface with a stand-in always, mmpose itself where `make mmpose` was."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.data.cache import cache_root
from anime_gen.prepare import MMPose, mmpose, points28
from anime_gen.prepare.apart import Environment
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.mmpose import KNOWN, in_our_order
from anime_gen.vocabulary import LANDMARKS

from .conftest import painted

# The user's own cache, before that of the tests takes its place.
USERS = cache_root()
needs_mmpose = pytest.mark.skipif(not mmpose.ENVIRONMENT.complete, reason="`make mmpose` was not run here")

# Answers as mmpose_runner.py does: the corners of the box and the first bright pixel, again and again.
STAND_IN = """
import json, sys
config, checkpoint, device = sys.argv[1:]
while line := sys.stdin.buffer.readline():
    asked = json.loads(line)
    if config == "wrong":
        told = {"error": "there is no file wrong"}
    elif not asked:
        told = {"points": int(config), "names": [], "config": "digest"}
    else:
        width, height = asked["width"], asked["height"]
        bright = sys.stdin.buffer.read(3 * width * height).index(255) // 3
        left, top, right, bottom = asked["box"]
        if right - left == 77:
            sys.exit(3)
        told = {"points": 8 * [[left, top, 0.5], [right, bottom, 1.5], [bright % width, bright // width, -1]]}
        if right - left == 66:
            told = {"error": "it went wrong"}
    print(json.dumps(told), flush=True)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A checkpoint for models that are called as many points as they tell."""
    page = tmp_path / "runner.py"
    page.write_text(STAND_IN)
    there = SimpleNamespace(python=sys.executable, complete=True, place=tmp_path, digest="pins")
    monkeypatch.setattr(mmpose, "_RUNNER", page)
    monkeypatch.setattr(mmpose, "ENVIRONMENT", there)
    checkpoint = tmp_path / "weights.pth"
    checkpoint.write_bytes(b"weights")
    return checkpoint


def test_places_are_in_the_pictures_own_pixels(stand_in):
    model = MMPose("24", stand_in)
    model.check()
    assert "_process" not in vars(model), "nobody inherits it"
    model = pickle.loads(pickle.dumps(model))
    picture = np.zeros((40, 40000, 3), np.uint8)
    picture[7, 39950] = 255
    for face in (Face(39930.0, 2.5, 30.0, 20.0), Face(39940.0, -10.0, 20.0, 30.0)):
        placed = model.place(picture, face)
        assert placed.points[0] == pytest.approx(Point(face.left, face.top))
        assert placed.points[1] == pytest.approx(Point(face.left + face.width, face.top + face.height))
        assert placed.points[2] == (39950.5, 7.5), "the middle of the bright pixel"
        assert placed.confidence[:3] == (0.5, 1, 0)
        assert len(placed.points) == len(placed.confidence) == 24
    assert model.describe()["config"] == "digest"


def test_a_box_is_enlarged_around_its_centre(stand_in):
    picture = np.full((100, 100, 3), 255, np.uint8)
    left, right = MMPose("24", stand_in, enlarged=1.5).place(picture, Face(40.0, 50.0, 20.0, 10.0)).points[:2]
    assert left == pytest.approx((35, 47.5))
    assert right == pytest.approx((65, 62.5))
    for factor in (0.0, 5.0, float("nan")):
        with pytest.raises(UserError, match=r"enlarged .*: above 0, at most 4"):
            MMPose("24", stand_in, enlarged=factor)


def test_a_model_that_fails_or_ends_costs_one_picture(stand_in):
    model = MMPose("24", stand_in)
    picture = np.full((100, 100, 3), 255, np.uint8)
    with pytest.raises(ValueError, match="it went wrong"):
        model.place(picture, Face(10.0, 10.0, 66.0, 66.0))
    with pytest.raises(OSError, match=r"mmpose ended on it \(exit code 3\)"):
        model.place(picture, Face(10.0, 10.0, 77.0, 77.0))
    assert len(model.place(picture, Face(10.0, 10.0, 50.0, 50.0)).points) == 24


def test_what_cannot_work_is_one_line(stand_in, tmp_path, monkeypatch):
    for config, line in {
        "19": r"tells 19 points of a face; known are models of 24, 28, 68, 98, 106$",
        "wrong": "--landmarks: there is no file wrong$",
        "no number": r"what is in .* does not run .*exit code 1.*: `make mmpose` makes it anew",
    }.items():
        with pytest.raises(UserError, match=line):
            MMPose(config, stand_in).check()
    with pytest.raises(UserError, match=r"there is no file .*none\.pth"):
        MMPose("24", tmp_path / "none.pth").check()
    monkeypatch.setattr(mmpose.ENVIRONMENT, "complete", False)
    with pytest.raises(UserError, match="not installed here: `make mmpose`"):
        MMPose("24", stand_in).check()


def test_points_become_ours():
    rng = np.random.default_rng(0)
    for count in KNOWN:
        assert in_our_order(rng.random((count, 3)), []).shape == (24, 3)
    points = rng.random((24, 3))
    assert np.array_equal(in_our_order(points, [f"kpt-{number}" for number in range(24)]), points)
    turned = in_our_order(points, list(LANDMARKS[::-1]))
    assert np.array_equal(turned, points[::-1])
    points = rng.random((28, 3))
    assert np.array_equal(in_our_order(points, []), points28.landmarks(points))


def test_a_stacked_environment_sees_ours_behind_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path))
    pins = tmp_path / "pins.txt"
    pins.write_text("# nothing at all\n")
    plain, stacked = Environment("tool", pins), Environment("tool", pins, stacked=True)
    assert plain.place != stacked.place
    stacked.make("do without")
    assert stacked.complete
    code = "import sys; from importlib.util import find_spec as f; print(f('torch').origin, *sys.path, sep='\\n')"
    done = subprocess.run([stacked.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    found, *path = done.stdout.splitlines()
    assert found == find_spec("torch").origin
    own = [place for place in path if place.startswith(str(stacked.place))]
    assert path.index(own[0]) < path.index(str(Path(torch.__file__).parent.parent))


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(USERS))


# A real model whose heatmap of point K is what is red, green or blue (K modulo 3) in the picture, at its full size.
SPOTS = """
_names = {names!r}
model = dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(type="PoseDataPreprocessor", mean=[0, 0, 0], std=[255, 255, 255], bgr_to_rgb=True),
    backbone=dict(type="ResNet", depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
                  init_cfg=dict(type="Pretrained", checkpoint="https://nowhere.invalid/none.pth")),
    head=dict(type="HeatmapHead", in_channels=64, out_channels={count}, deconv_out_channels=None,
              loss=dict(type="KeypointMSELoss"),
              decoder=dict(type="MSRAHeatmap", input_size=(64, 64), heatmap_size=(16, 16), sigma=2)),
    test_cfg=dict(flip_test=False))
train_dataloader = dict(dataset=dict(metainfo=dict(
    dataset_name="spots", paper_info=dict(), skeleton_info=dict(), joint_weights=[1.0] * {count}, sigmas=[],
    keypoint_info={{number: dict(name=name, id=number, color=[0, 0, 0], type="", swap="")
                    for number, name in enumerate(_names)}})))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type="LoadImage"), dict(type="GetBBoxCenterScale", padding=1.0),
    dict(type="TopdownAffine", input_size=(64, 64)), dict(type="PackPoseInputs")]))
"""


def a_config(folder, names=LANDMARKS):
    path = folder / f"spots{len(names)}.py"
    path.write_text(SPOTS.format(names=[*names], count=len(names)))
    return str(path)


def weights(count=24):
    """Of the model above: every layer hands on what it gets."""
    state = {"backbone.conv1.weight": torch.zeros(64, 3, 7, 7)}
    for colour in range(3):
        state["backbone.conv1.weight"][colour, colour, 3, 3] = 1
    for name in ("bn1", "layer1.0.bn1", "layer1.0.bn2", "layer1.1.bn1", "layer1.1.bn2"):
        state |= {
            f"backbone.{name}.weight": torch.ones(64),
            f"backbone.{name}.bias": torch.zeros(64),
            f"backbone.{name}.running_mean": torch.zeros(64),
            f"backbone.{name}.running_var": torch.ones(64),
            f"backbone.{name}.num_batches_tracked": torch.tensor(0),
        }
    for block in (0, 1):
        for conv in (1, 2):
            state[f"backbone.layer1.{block}.conv{conv}.weight"] = torch.zeros(64, 64, 3, 3)
    state["head.final_layer.weight"] = torch.zeros(count, 64, 1, 1)
    state["head.final_layer.weight"][range(count), [point % 3 for point in range(count)]] = 1
    return {**state, "head.final_layer.bias": torch.zeros(count)}


@needs_mmpose
@pytest.mark.slow
def test_what_mmpose_sees_at_a_pixel_is_placed_in_its_middle(installed, tmp_path):
    torch.save({"meta": {}, "state_dict": weights()}, tmp_path / "spots.pth")
    reversed_names = LANDMARKS[::-1]
    model = MMPose(a_config(tmp_path, reversed_names), tmp_path / "spots.pth")
    model.check()
    picture = np.zeros((300, 200, 3), np.uint8)
    spots = {0: (110, 104), 1: (126, 132), 2: (90, 140)}  # red, green, blue: x and y
    for colour, (x, y) in spots.items():
        picture[y, x, colour] = 255
    # Its grid of four pixels begins at 82, 80.
    placed = model.place(picture, Face(82.5, 80.5, 64.0, 64.0))
    for number, point in enumerate(placed.points):
        x, y = spots[(23 - number) % 3]
        assert point == pytest.approx((x + 0.5, y + 0.5), abs=0.01)
    assert min(placed.confidence) == pytest.approx(1, abs=0.01)
    model._end()


def of_numpy_1(checkpoint, old):
    """The same file as older versions wrote it."""
    with zipfile.ZipFile(checkpoint) as made, zipfile.ZipFile(old, "w") as again:
        for name in made.namelist():
            content = made.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in content
                content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            again.writestr(name, content)


@needs_mmpose
@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "count"),
    [("td-hm_hrnetv2-w18_8xb64-60e_300w-256x256", 68), ("rtmpose-t_8xb256-120e_face6-256x256.py", 106)],
)
def test_models_of_mmposes_own(installed, tmp_path, config, count):
    """With random weights, of the form that training writes, losses and all."""
    made = tmp_path / "made.pth"
    code = f"""
import sys
sys.path.insert(0, {str(Path(mmpose.__file__).parent)!r})
import mmpose_runner
del sys.path[0]
mmpose_runner.stand_in()
import numpy as np, torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmpose.apis import init_model
torch.manual_seed(0)
model = init_model(Config.fromfile(mmpose_runner.config_at({config!r})), None, "cpu")
losses = HistoryBuffer()
for loss in (3.0, 2.0):
    losses.update(loss)
meta = dict(epoch=3, dataset_meta=model.dataset_meta, best=np.float64(0.5))
written = dict(meta=meta, state_dict=model.state_dict(), message_hub=dict(log_scalars=dict(loss=losses)))
torch.save(written, {str(made)!r})
"""
    subprocess.run([mmpose.ENVIRONMENT.python, "-I", "-c", code], check=True, capture_output=True)
    of_numpy_1(made, tmp_path / "old.pth")
    MMPose(config, tmp_path / "old.pth").check()
    model = MMPose(config, made)
    model.check()
    assert model._model["points"] == count
    picture, face = painted(3, 256), Face(60.0, 70.0, 130.0, 130.0)
    placed = model.place(picture, face)
    assert np.isfinite(placed.points).all()
    assert len(set(placed.points)) > 6
    assert all(0 <= sure <= 1 for sure in placed.confidence)
    moved = model.place(np.pad(picture, ((40, 0), (25, 0), (0, 0))), face._replace(left=85.0, top=110.0))
    assert np.allclose(moved.points, np.add(placed.points, (25, 40)))
    model._end()


class Runs:
    """A pickle of it makes a folder when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@needs_mmpose
@pytest.mark.slow
def test_what_is_no_model_is_one_line(installed, tmp_path):
    good = tmp_path / "good.pth"
    torch.save(weights(), good)
    ran = tmp_path / "ran"
    torch.save({"state_dict": weights(), "more": Runs(ran)}, tmp_path / "runs.pth")
    torch.save({"state_dict": torch.zeros(3)}, tmp_path / "empty.pth")
    torch.save(weights(19), tmp_path / "nineteen.pth")
    torch.save({**weights(), "head.final_layer.bias": torch.full((24,), torch.nan)}, tmp_path / "nan.pth")
    (tmp_path / "text.pth").write_text("weights")
    (tmp_path / "text.safetensors").write_text("weights")
    (tmp_path / "half.py").write_text("model = dict(")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(1)")
    config = a_config(tmp_path)
    for given, checkpoint, line in (
        (config, "runs.pth", r"holds more than weights \(posix\.mkdir\), and opening that may run code"),
        (config, "empty.pth", r"empty\.pth holds no weights$"),
        (config, "nan.pth", "its weights tell no numbers"),
        (config, "text.pth", r"text\.pth is no checkpoint that PyTorch or safetensors wrote$"),
        (config, "text.safetensors", r"text\.safetensors is no checkpoint that"),
        (config, "nineteen.pth", r"nineteen\.pth does not fit .*spots24\.py .*size mismatch for head\.final"),
        (a_config(tmp_path, LANDMARKS[:19]), "nineteen.pth", "tells 19 points of a face; known are"),
        ("hrnetv2-w18_8xb64-60e_300w", "good.pth", "mmpose has no config of that name; near: td-hm_hrnetv2"),
        (str(tmp_path / "half.py"), "good.pth", r"half\.py makes no model on cpu \(SyntaxError"),
        (str(tmp_path / "ends.py"), "good.pth", r"ends\.py makes no model on cpu \(SystemExit"),
    ):
        with pytest.raises(UserError, match=line) as caught:
            MMPose(given, tmp_path / checkpoint).check()
        assert "\n" not in str(caught.value)
    assert not ran.exists()
    with pytest.raises(UserError, match="makes no model on nowhere"):
        MMPose(config, good, device="nowhere").check()


@needs_mmpose
@pytest.mark.slow
def test_the_data_sets_swap_in_a_mirror_image_what_the_mapping_says(installed):
    from .test_human_points import SWAPPED

    code = """
import json, pathlib, mmpose
from mmengine.config import Config
base = pathlib.Path(mmpose.__file__).parent / ".mim/configs/_base_/datasets"
for name in ("300w", "coco_wholebody_face", "wflw", "lapa"):
    points = Config.fromfile(base / f"{name}.py").dataset_info.keypoint_info.values()
    number = {point.name: point.id for point in points}
    print(json.dumps([len(number), sorted((point.id, number[point.swap]) for point in points
                                          if point.swap and point.id < number[point.swap])]))
"""
    done = subprocess.run([mmpose.ENVIRONMENT.python, "-I", "-c", code], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        count, pairs = json.loads(line)
        assert sorted(map(tuple, pairs)) == sorted(SWAPPED[count])
