"""`anime-gen score`: any two folders."""

import json

import pytest
import torch
from PIL import Image

from anime_gen.metrics.distribution import FrechetDistance, KernelDistance
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.protocol import Role, measure, read


@pytest.fixture
def folders(tmp_path):
    stream = torch.Generator().manual_seed(0)
    for side, size in (("real", 40), ("fake", 32)):
        (tmp_path / side / "below").mkdir(parents=True)
        for i in range(8):
            pixels = torch.randint(256, (size, size, 3), generator=stream, dtype=torch.uint8).numpy()
            place = "below/" if i % 2 else ""
            Image.fromarray(pixels).save(tmp_path / side / f"{place}{i}.{'bmp' if i == 3 else 'png'}")
    return tmp_path


def both(folder):
    return "--real", folder / "real", "--fake", folder / "fake"


def test_scores_what_training_would(here, folders):
    result = here("score", *both(folders), "--metrics", "fd,kd,prdc", "--json", folders / "scores.json")
    assert result.returncode == 0, result.stderr
    records = {record.name: record for record in read(folders / "scores.json")}
    names = ["fd_judge", "kd_judge", "precision_judge", "recall_judge", "density_judge", "coverage_judge"]
    assert list(records) == names
    judge = JudgeFeatures()
    for score in (FrechetDistance(judge), KernelDistance(judge)):
        for side, role in (("real", Role.HELD_OUT), ("fake", Role.SAMPLE)):
            for path in sorted((folders / side).rglob("*.*")):
                with Image.open(path) as file:
                    pixels = torch.tensor(list(file.tobytes()), dtype=torch.uint8).view(1, *file.size, 3)
                score.update(pixels.permute(0, 3, 1, 2), role)
        assert records[score.names[0]].value == pytest.approx(score.compute()[score.names[0]].item(), rel=1e-6)
        assert f"{score.names[0]} " in result.stdout
    protocol = records["fd_judge"].protocol
    assert (protocol["num_real"], protocol["num_fake"], protocol["extractor"]) == (8, 8, "judge")

    # The same pictures again, then other real ones: only then are two values not to be compared.
    again = folders / "again.json"
    here("score", *both(folders), "--metrics", "fd", "--json", again)
    assert json.loads(again.read_text()) == [records["fd_judge"]._asdict()]
    (folders / "real" / "0.png").unlink()
    here("score", *both(folders), "--metrics", "fd", "--image_size", 32, "--json", again)
    (other,) = read(again)
    assert measure(other.protocol)["data"] != measure(protocol)["data"]
    assert other.protocol["num_real"] == 7


def test_scores_of_the_pixels_themselves(here, folders):
    words = ("--metrics", "fd,swd,spectrum", "--extractor", "render")
    refused = here("score", *both(folders), *words)
    assert refused.returncode == 2
    assert "real pictures are of 40 px, others of 32; give --image_size" in refused.stderr.splitlines()[-1]
    result = here("score", *both(folders), *words, "--image_size", 32, "--json", folders / "scores.json")
    assert result.returncode == 0, result.stderr
    records = read(folders / "scores.json")
    assert [record.name for record in records] == ["fd_render", "swd_32", "swd_16", "spectrum_db"]
    same = here("score", "--real", folders / "fake", "--fake", folders / "fake", *words, "--json", folders / "s.json")
    assert same.returncode == 0, same.stderr
    assert [record.value for record in read(folders / "s.json")] == pytest.approx([0] * 4, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--metrics", "fid"), ["fid", "fd with --extractor inception"]),
        (("--metrics", "fd,mmd"), ["mmd", "they are fd, kd"]),
        (("--metrics", "is"), ["judge", "no classes"]),
        (("--metrics", "kid"), ["at least 1000", "got 8 and 8"]),
        (("--extractor", "inceptoin"), ["inceptoin", "they are judge, render, inception"]),
        (("--extractor", "squeezenet1_1=no/such.file"), ["no/such.file", "squeezenet1_1-b8a52dc0.pth"]),
        (("--fake", "no/such/folder"), ["no/such/folder"]),
        (("--json", "no/such/folder/scores.json"), ["--json"]),
        (("--device", "cuda:99"), ["cuda:99"]),
        (("--image_size", "0"), ["--image_size 0"]),
        (("--is_splits", "0"), ["--is_splits 0"]),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, tuple) else None,
)
def test_mistakes_are_one_line(here, folders, words, expected):
    result = here("score", *both(folders), *words)
    assert result.returncode == 2
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("anime-gen: ")
    for word in expected:
        assert word in line


def test_a_broken_picture_is_named(here, folders):
    (folders / "fake" / "broken.png").write_bytes(b"not a picture")
    result = here("score", *both(folders))
    assert result.returncode == 2
    assert "broken.png" in result.stderr


def test_a_score_that_cannot_be_does_not_keep_the_others_back(here, folders):
    result = here("score", *both(folders), "--metrics", "fd,kid,kd", "--json", folders / "scores.json")
    assert result.returncode == 2
    assert "fd_judge" in result.stdout
    assert "kd_judge" in result.stdout
    assert [record.name for record in read(folders / "scores.json")] == ["fd_judge", "kd_judge"]
    [line] = [line for line in result.stderr.splitlines() if line.startswith("anime-gen:")]
    assert "kid_judge" in line
    assert "--kid_subset_size" in line
    assert here("score", *both(folders), "--metrics", "kid", "--kid_subset_size", 8).returncode == 0
