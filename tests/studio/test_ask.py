"""What is wished for is drawn, is said to be drawn in a way that anybody can repeat, and is drawn so."""

from __future__ import annotations

import base64
import io
import json
import shlex

import numpy as np
import pytest
from PIL import Image

from anime_gen.vocabulary import LANDMARKS


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def faces(events):
    return [event for event in events if event["event"] == "face"]


POINTS = {name: [round(0.3 + place / 60, 3), 0.5] for place, name in enumerate(LANDMARKS)}


def sketch() -> str:
    file = io.BytesIO()
    Image.fromarray(np.where(np.eye(64) > 0, 0, 255).astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_a_run_says_what_it_knows(page, toys):
    [run] = [event for event in page.ask("runs") if event["event"] == "run"]
    assert run["name"] == str(toys["diffusion"])
    assert (run["family"], run["size"], run["draws"], run["translates"]) == ("Diffusion", 16, True, False)
    assert "blue hair" in run["groups"]["hair"]
    assert "style=soft" in run["groups"]["style"]
    assert "smile" in run["tags"]
    assert "blue hair" not in run["tags"], "a word of a group is picked there"
    assert set(run["options"]) == {"tags", "caption", "landmarks", "sketch", "trace"}
    knobs = {knob["name"]: knob for knob in run["knobs"]}
    assert knobs["steps"]["value"] == 3
    assert knobs["steps"]["whole"]
    assert "follows the conditions" in knobs["guidance"]["help"]


@pytest.mark.parametrize(
    "wish",
    [
        {"words": "blue hair, smile, -hat", "seeds": [3, 2**53 - 1], "settings": {"guidance": 1.5, "steps": 2}},
        {"words": "-hat", "seeds": [5, 6], "near": 3},
        {"landmarks": POINTS, "sketch": sketch(), "caption": "it's a girl, -smile", "seeds": [1]},
    ],
    ids=["words", "near", "drawn"],
)
def test_the_command_draws_the_same_picture_bit_for_bit(page, toys, typed, tmp_path, wish):
    made = faces(page.ask("ask", run=str(toys["diffusion"]), **wish))
    assert [face["seed"] for face in made] == wish["seeds"]
    for face in made:
        there = picture(face["png"])
        inside = json.loads(there.info["anime_gen"])
        assert inside["command"] == face["command"]
        if "landmarks" in wish:
            (tmp_path / "landmarks.json").write_text(json.dumps(inside["landmarks.json"]))
            (tmp_path / "sketch.png").write_bytes(base64.b64decode(inside["sketch.png"]))
        words = shlex.split(face["command"])
        done = typed(*words[1:], folder=tmp_path)
        assert done.returncode == 0, done.stderr
        again = Image.open(tmp_path / "faces" / f"{face['seed']:06d}.png")
        assert np.array_equal(np.asarray(again), np.asarray(there))


def test_faces_near_one_are_like_it_and_each_is_another(page, toys):
    def drawn(**wish):
        made = faces(page.ask("ask", run=str(toys["diffusion"]), **wish))
        return [np.asarray(picture(face["png"]), float) for face in made]

    [origin, other] = drawn(seeds=[3, 4])
    near = drawn(seeds=[1, 2], near=3)
    assert np.abs(near[0] - near[1]).mean() > 1
    for one in near:
        assert np.abs(one - origin).mean() < np.abs(other - origin).mean()


def test_a_picture_does_not_depend_on_what_else_is_asked(page, toys):
    run = str(toys["diffusion"])
    together = faces(page.ask("ask", run=run, seeds=[7, 8, 9]))
    [alone] = faces(page.ask("ask", run=run, seeds=[8]))
    assert alone["png"] == together[1]["png"]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"words": "blu hair"}, "near: blue hair"),
        ({"words": "blue hair, red hair"}, "hair cannot be both"),
        ({"words": "x" * 3000}, "at most 2,000 letters"),
        ({"words": ["smile"]}, "words are text"),
        ({"seeds": []}, "1 to 64 faces"),
        ({"seeds": list(range(65))}, "1 to 64 faces"),
        ({"seeds": [-1]}, "a seed is a whole number"),
        ({"seeds": [0.5]}, "a seed is a whole number"),
        ({"near": "x"}, "a seed is a whole number"),
        ({"settings": {"guidance": "high"}}, "settings of the sampler are numbers"),
        ({"settings": {"guidance": float("nan")}}, "settings of the sampler are numbers"),
        ({"settings": {"steps": 0}}, "steps must be at least 1"),
        ({"settings": {"steps": 2.5}}, "steps: give a whole number"),
        ({"settings": {"truncation": 0.5}}, "this run's sampler has no truncation"),
        ({"landmarks": {"nose": [0.5]}}, "landmarks: nose must be [x, y]"),
        ({"sketch": "!!"}, "the picture did not arrive whole"),
        ({"sketch": sketch()[:60]}, "cannot be read as a picture"),
        ({"run": "elsewhere"}, "this studio has no run 'elsewhere'"),
    ],
)
def test_what_cannot_be_is_one_line(page, toys, wish, said):
    assert said in page.error("ask", **{"run": str(toys["diffusion"]), "seeds": [0], **wish})
