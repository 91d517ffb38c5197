"""The examination examines: what is disturbed, what is seen of it, and that nothing else is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen import painter
from anime_gen.cli import examine as command
from anime_gen.contract import UserError
from anime_gen.judging import disturbances
from anime_gen.judging.disturbances import DISTURBANCES, Pictures, paint
from anime_gen.judging.examination import Response, agreement, examine, just_seen, scorings, summary, table, unseen
from anime_gen.metrics.distribution import FrechetDistance
from anime_gen.metrics.extractors import Torchvision
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.rendering import Rendering
from anime_gen.metrics.scores import Scores
from anime_gen.vocabulary import LANDMARKS

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def faces():
    return paint(5, 60, 32)


def difference(before, after):
    return (after.float() - before.images_NCHW.float()).abs()


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda one: one.name)
def test_more_of_it_is_further_away_and_the_same_again(faces, disturbance):
    found = [disturbance.apply(faces, strength, 0) for strength in disturbance.strengths]
    for one in found:
        assert one.dtype == torch.uint8
        assert one.shape == faces.images_NCHW.shape
    away = [float(difference(faces, one).mean()) for one in found]
    assert away == sorted(away)
    assert 0 < away[0] < away[-1]
    assert torch.equal(disturbance.apply(faces, disturbance.strengths[1], 0), found[1])


def test_where_eyes_were_there_is_skin_and_nothing_else_has_changed(faces):
    changed = difference(faces, disturbances.eyes_removed(faces, 100, 0)).amax(1)
    for row, face in enumerate(faces.faces):
        points = painter.labels(face).landmarks_K2
        pupils = points[[LANDMARKS.index("left_eye_pupil"), LANDMARKS.index("right_eye_pupil")]]
        chin = points[LANDMARKS.index("chin")]
        assert changed[row, int(min(31, chin[1] * 32)), int(chin[0] * 32)] == 0
        y = int(pupils.mean(0)[1] * 32)
        assert changed[row, max(0, y - 6) : y + 6].sum() > 0
    assert (changed == 0).float().mean() > 0.7


def test_a_quarter_is_a_quarter(faces):
    for apply in (disturbances.eyes_removed, disturbances.eyes_swapped):
        changed = difference(faces, apply(faces, 25, 0)).flatten(1).amax(1) > 0
        assert changed.sum() == 15
    found = disturbances.twice(faces, 50, 0)
    assert len(torch.unique(found.flatten(1), dim=0)) == 60 - 15


def test_hair_turns_and_skin_stays(faces):
    changed = difference(faces, disturbances.hair_hue(faces, 80, 0)).amax(1)
    for row, face in enumerate(faces.faces):
        nose = painter.labels(face).landmarks_K2[LANDMARKS.index("nose")]
        assert changed[row, int(nose[1] * 32), int(nose[0] * 32)] <= 1, face.hair.colour
    coloured = [row for row, face in enumerate(faces.faces) if face.hair.colour in ("pink", "blue", "blonde", "red")]
    assert (changed[coloured].flatten(1).amax(1) > 40).all()


def test_missing_colours_are_missing(faces, judge_of_hair):
    before, after = faces.images_NCHW, disturbances.hair_missing(faces, 100, 0)
    gone = disturbances._MISSING
    was = torch.tensor([face.hair.colour in gone for face in faces.faces])
    assert torch.equal((after != before).flatten(1).any(1), was)
    assert not set(judge_of_hair(after[was])) & set(gone)


@pytest.fixture(scope="module")
def judge_of_hair():
    from anime_gen.metrics.judge import Judge

    judge = Judge.load()
    place = list(judge.vocabulary.attributes).index("hair")
    names = judge.vocabulary.attributes["hair"]
    return lambda images: [names[index] for index in judge(images).attribute_logits[place].argmax(1).tolist()]


class Mean(Extractor):
    """Sees brightness, and nothing finer."""

    name = "mean"
    num_features = 3
    resize = "none"
    weights_hash = "none"

    def forward(self, images):
        return images.float().mean((2, 3))


def test_it_says_what_each_score_sees(faces):
    some = [one for one in DISTURBANCES if one.name in ("blur", "checkerboard")]
    scores = Scores([FrechetDistance(Mean()), FrechetDistance(Rendering())])
    told = []
    responses = examine(faces, scores, some, watch=told.append)
    assert len(responses) == 2 * 4 * 2
    assert told[:2] == ["undisturbed", "blur 0.35 px of 32"]
    assert len(told) == scorings(faces, some)
    by = {(one.disturbance, one.score, one.strength): one.response for one in responses}
    assert by["blur", "fd_render", 1.0] > 5 > abs(by["blur", "fd_mean", 1.0])
    assert by["checkerboard", "fd_render", 20] > 5 > abs(by["checkerboard", "fd_mean", 20])
    said = table(responses)
    assert said.splitlines()[0].split() == ["strengths", "fd_mean", "fd_render"]
    assert "[never]" in said
    assert examine(faces, scores, some) == responses, "it depends on nothing but the pictures"


def test_just_seen_is_the_weakest_of_those_that_are_all_seen():
    def line(*responses):
        return [Response("blur", place, "px", "fd", 0, 0, 1, one) for place, one in enumerate(responses)]

    assert just_seen(line(1, 2, 6, 7)).strength == 2
    assert just_seen(line(9, 2, 6, 7)).strength == 2, "one that is seen and then not is chance"
    assert just_seen(line(1, 2, 6, 4)) is None


def responding(score, **places):
    """Of every disturbance a response of 100 at every strength; of those that are named, another at one strength."""
    return [
        Response(
            one.name, strength, one.unit, score, 0, 0, 1, places.get(one.name.replace(" ", "_"), {}).get(place, 100)
        )
        for one in DISTURBANCES
        for place, strength in enumerate(one.strengths)
    ]


def test_what_has_to_be_seen_is_named_where_it_is_not():
    assert not unseen(responding("fd_render") + responding("fd_judge"))
    # Each by its own distance, at its own strength, by its own measure.
    low = {"blur": {1: 19}, "noise": {0: 0, 1: 21}, "warp": {1: 4}, "twice": {1: 6}, "hair_missing": {1: 0, 2: 6}}
    assert unseen(responding("fd_render", **low)) == ["blur, 0.5 px of 32: fd_render 19, not 20"]
    assert unseen(responding("fd_judge_of_mine", **low)) == ["warp, 2 % of the width: fd_judge_of_mine 4.0, not 5"]
    assert not unseen(responding("fd_inception", **low))
    assert unseen(responding("fd_judge", twice={1: float("nan")})) == [
        "twice, 25 % of the pictures: fd_judge nan, not 5"
    ]


def test_the_summary_says_it_again(faces):
    found = summary(responding("fd_judge", warp={0: 1}))["fd_judge"]
    assert found["warp"] == {"strengths": [1, 2, 3, 5], "responses": [1, 100, 100, 100], "just_seen": 2}
    assert found["undisturbed"] == 0


def test_pictures_of_which_nothing_is_known_have_the_other_rows(faces):
    known = [one.name for one in DISTURBANCES if not one.painted]
    found = examine(Pictures(faces.images_NCHW), Scores([FrechetDistance(Mean())]))
    assert list(dict.fromkeys(one.disturbance for one in found)) == known
    with pytest.raises(UserError, match="at least 40 pictures"):
        examine(Pictures(faces.images_NCHW[:20]), Scores([]))


def test_of_a_folder_from_the_command_line(anime_gen, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for place, picture in enumerate(paint(6, 41, 24).images_NCHW.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"{place}.png")
    out = tmp_path / "out"
    done = anime_gen("examine", folder, "--size", "16,24", "--count", "40", "--extractor", "render", "--metrics",
                     "fd,spectrum", "--out", out)  # fmt: skip
    assert done.returncode == 1, done.stderr  # forty pictures of 16 pixels are few
    assert "not seen, and has to be:\n40 pictures of pictures, 16 px: " in done.stderr
    assert "fd_render" in done.stderr.splitlines()[-1]
    assert "checkerboard" in done.stdout
    assert "eyes removed" not in done.stdout
    assert Image.open(out / "examination_24.png").width > 1000
    said = json.loads((out / "examination_16.json").read_text())
    assert set(said["scores"]) == {"fd_render", "spectrum_db"}
    assert said["scores"]["fd_render"]["num_real"] == 20
    assert len(said["responses"]) == 8 * 4 * 2
    assert Image.open(out / "examination_16.png").width > 1000
    for words, expected in (
        (("--count", "80"), "holds 41 pictures, fewer than --count 80"),
        (("--size", "8"), "--size 8: at least 16"),
        (("--size", "32;64"), "whole numbers with commas between"),
        (
            ("--count", "40", "--metrics", "swd", "--size", "16", "--record", folder / "0.png"),
            "beside a judge's weights",
        ),
        (("--count", "9"), "--count 9: at least 40"),
        (("--metrics", "fid"), "there is no 'fid'"),
    ):
        with pytest.raises(UserError, match=expected):
            command.main("examine", [str(word) for word in (folder, *words)])


def test_how_alike_two_scores_put_the_rows_of_rendering():
    def rising(score, start):
        found = responding(score)
        return [one._replace(response=start + place * (1 if start else -1)) for place, one in enumerate(found)]

    same, turned = rising("fd_same", 5.0), rising("fd_turned", 0.0)
    own = rising("fd_render", 1.0)
    assert agreement(own + same + turned) == {"fd_same": pytest.approx(1), "fd_turned": pytest.approx(-1)}
    content = {one.name for one in DISTURBANCES if not one.of_rendering}
    shuffled = [one._replace(response=0.0) if one.disturbance in content else one for one in same]
    assert agreement(own + shuffled)["fd_same"] == pytest.approx(1), "rows of content say nothing here"
    assert agreement(same) == {}
    assert agreement(own + [one._replace(response=1.0) for one in same]) == {}, "one that never moves has no order"


@pytest.mark.slow
def test_fd_render_orders_them_as_squeezenet_does():
    """Of faces other than those that its numbers were chosen on; a checkerboard SqueezeNet hardly sees at 64 px."""
    weights = ROOT.parent / "shared" / "weights" / "squeezenet1_1_features.safetensors"
    if not weights.exists():
        pytest.skip("no weights of SqueezeNet here")
    rows = [one for one in DISTURBANCES if one.of_rendering]
    for size, least in ((32, 0.75), (64, 0.6)):
        scores = Scores([FrechetDistance(one) for one in (Rendering(), Torchvision("squeezenet1_1", weights, size=64))])
        found = agreement(examine(paint(11, 800, size), scores, rows))
        assert found["fd_squeezenet1_1"] >= least
