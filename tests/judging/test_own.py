"""A judge of one's own pictures, at toy sizes."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen.cli import judge as command
from anime_gen.contract import UserError
from anime_gen.judging import examination, train
from anime_gen.judging.disturbances import paint
from anime_gen.judging.faces import Faces, ruin, view
from anime_gen.judging.own import told_apart, unlabelled
from anime_gen.metrics.extractors import Judge
from anime_gen.metrics.judge import JudgeOutput
from anime_gen.painter import VOCABULARY
from anime_gen.vocabulary import Vocabulary

SIDED = Vocabulary(["looking to the left", "looking to the right", "left hand"], {"hair": ["red", "blue"]})


def seen_of(faces: Faces) -> JudgeOutput:
    count = len(faces.images)
    return JudgeOutput(
        torch.zeros(count, 4),
        torch.zeros(count, 4),
        torch.zeros(faces.tags_NT.shape, requires_grad=True),
        (torch.zeros(count, 2, requires_grad=True),),
        torch.zeros(count, 24, 2, requires_grad=True),
        torch.zeros(count, requires_grad=True),
    )


def test_what_is_not_known_teaches_nothing():
    torch.manual_seed(0)
    nothing = unlabelled(torch.randint(256, (16, 3, 64, 64), dtype=torch.uint8), SIDED)
    wanted = view(nothing, SIDED.tag_mirror)
    seen = seen_of(nothing)
    parts = train.loss(seen, wanted)
    assert {name for name, value in parts.items() if value != 0} == {"face"}
    torch.stack(list(parts.values())).sum().backward()
    for part in (seen.tag_logits_BT, seen.attribute_logits[0], seen.landmarks_BK2):
        assert part.grad is not None
        assert not part.grad.any()


def test_what_is_known_of_some_teaches_as_if_they_were_alone():
    torch.manual_seed(0)
    nothing = unlabelled(torch.zeros(8, 3, 64, 64, dtype=torch.uint8), SIDED)
    known = nothing._replace(attributes_NA=torch.tensor([[0], [1]]).repeat(4, 1), tags_NT=torch.ones(8, 3))
    some = Faces(*(torch.cat([a[:2], b[2:]]) for a, b in zip(known, nothing, strict=True)))

    def losses(faces):
        return train.loss(seen_of(faces), view(faces, [0, 1, 2], ruined=0))

    for name in ("attributes", "tags"):
        assert float(losses(some)[name]) == pytest.approx(float(losses(known)[name]), rel=1e-6)


def test_a_mirrored_picture_has_no_tag_without_a_mirror_image():
    torch.manual_seed(0)
    faces = unlabelled(torch.zeros(64, 3, 64, 64, dtype=torch.uint8), SIDED)
    faces = faces._replace(tags_NT=torch.tensor([1.0, 0.0, 1.0]).expand(64, 3))
    tags = view(faces, SIDED.tag_mirror, ruined=0).faces.tags_NT
    mirrored = tags[:, 0] == 0
    assert 0.2 < mirrored.float().mean() < 0.8
    assert torch.equal(tags[:, 2].isnan(), mirrored)
    assert torch.equal(tags[:, 1], mirrored.float())


def test_every_picture_without_known_eyes_can_be_ruined():
    images = paint(3, 16, 64).images_NCHW.float() / 127.5 - 1
    nothing = unlabelled(torch.zeros(16, 3, 64, 64, dtype=torch.uint8), SIDED)
    for seed in range(3):
        torch.manual_seed(seed)
        moved = view(nothing, SIDED.tag_mirror, ruined=0).faces.landmarks_NK2
        changed = (ruin(images, moved) - images).abs().flatten(1).mean(1)
        assert (changed > 0.02).all(), "an intact picture would be taught as ruined"


def test_two_views_are_told_from_all_others():
    a = torch.eye(4)
    # By hand: each is alike to its other view (1 / 0.5), and not at all to the six others.
    assert float(told_apart(a, a, 0.5)) == pytest.approx(math.log(1 + 6 * math.exp(-2)), rel=1e-5)
    assert float(told_apart(a, a.roll(1, 0), 0.5)) > float(told_apart(a, a, 0.5))
    assert float(told_apart(3 * a, a, 0.5)) == pytest.approx(float(told_apart(a, a, 0.5)), rel=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labelled by the hair's colour, in a manifest."""
    place = tmp_path_factory.mktemp("faces")
    pictures = paint(98, 320, 24)
    lines = ["file,hair"]
    for number, (face, picture) in enumerate(
        zip(pictures.faces, pictures.images_NCHW.permute(0, 2, 3, 1).numpy(), strict=True)
    ):
        Image.fromarray(np.ascontiguousarray(picture)).save(place / f"{number}.png")
        lines.append(f"{number}.png,{face.hair.colour}")
    (place / "manifest.csv").write_text("\n".join(lines) + "\n")
    return place


TOY = ("--minutes", "0.05", "--painted", "40", "--weighed", "8")


def test_from_a_folder_to_an_extractor(here, folder, tmp_path, monkeypatch):
    # Fewer drawings: those of an examination that means something take half a minute.
    monkeypatch.setattr(examination, "DRAWINGS", 3)
    monkeypatch.setattr(examination, "DISTURBED", 1)
    out = tmp_path / "own.safetensors"
    done = here("judge", "fit", folder, *TOY, "--examined", "40", "--out", out)
    assert done.returncode == 0, done.stderr
    said = json.loads(out.with_suffix(".json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.json", "own.safetensors"]
    judge = Judge(weights=out)
    assert judge.name == said["name"] != "judge"
    assert judge.name.startswith("judge_")
    assert judge.weights_hash == said["weights_hash"]
    assert list(judge.vocabulary.attributes) == ["hair"]
    assert 0 <= said["held_out"]["accuracy_hair"] <= 1
    assert [name.split(maxsplit=1)[1] for name in said["examination"]] == [
        "held-out pictures, 64 px",
        "painted faces, 64 px",
    ]
    for found in said["examination"].values():
        assert set(found) == {f"fd_{judge.name}", f"kd_{judge.name}"}
    assert f"anime_gen.metrics.extractors.Judge --scoring.extractors.weights={out}" in done.stdout
    # The name is the pictures': others have another one, and so have no column with these.
    fakes = tmp_path / "scores.json"
    scored = here("score", "--real", folder, "--fake", folder, "--metrics", "fd", "--extractor", f"judge={out}",
                  "--json", fakes)  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    assert [one["name"] for one in json.loads(fakes.read_text())] == [f"fd_{judge.name}"]


@pytest.mark.slow
def test_without_labels_it_knows_the_painters_words(anime_gen, folder, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in folder.glob("*.png"):
        (plain / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "own.safetensors"
    done = anime_gen("judge", "fit", plain, *TOY, "--out", out, "--examined", "0")
    assert done.returncode == 0, done.stderr
    assert Judge(weights=out).vocabulary == VOCABULARY
    assert json.loads(out.with_suffix(".json").read_text())["examination"] == {}


def test_bad_input_is_one_line(folder, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        (few / f"{number}.png").write_bytes((folder / f"{number}.png").read_bytes())
    for words, expected in (
        ((folder / "none",), "does not exist"),
        ((few,), "a judge needs at least 200"),
        ((folder, "--minutes", "0"), "--minutes: above 0"),
        ((folder, "--painted", "0"), "--painted 0: at least 1"),
        ((folder, "--out", tmp_path / "no" / "judge.safetensors"), "make it first"),
    ):
        with pytest.raises(UserError, match=expected):
            command.main("judge", ["fit", *map(str, words)])
