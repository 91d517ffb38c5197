"""`anime-gen tagger complete`: training labels that are hidden, filled in, and compared with the truth."""

import json

import numpy as np
import torch

from anime_gen.contract import Condition
from anime_gen.data import NoisyLabels, PaintedFaces, Relabelled
from anime_gen.tagging import network
from anime_gen.tagging.completion import Completed, Pool
from anime_gen.tagging.examine import Labels
from anime_gen.tagging.fill import _as_many, judged, written
from anime_gen.tagging.network import Seen

NAN = float("nan")


def test_guesses_are_not_learned_from():
    tags, classes = torch.tensor([[1.0, 0, NAN]]), torch.tensor([[2, 1, -1]])
    sure = torch.tensor([[1, 0.9, 0]]), torch.tensor([[0.5, 1, 0]])
    told = Condition(tags_BT=tags, attributes_BA=classes, tag_confidence_BT=sure[0], attribute_confidence_BA=sure[1])
    assert written(told).tags_BT.nan_to_num(-1).tolist() == [[1, -1, -1]]
    assert written(told).attributes_BA.tolist() == [[-1, 1, -1]]
    assert torch.equal(written(Condition(attributes_BA=classes)).attributes_BA, classes)


def case():
    """Two training pictures and a held-out one, which does not count."""
    given = Labels(torch.tensor([[1, NAN], [NAN, NAN], [NAN, NAN]]), torch.tensor([[-1], [-1], [-1]]))
    after = Labels(torch.tensor([[1, 1], [1, NAN], [0, 0.0]]), torch.tensor([[0], [-1], [1]]))
    sure = torch.tensor([[1, 0.75], [0.75, 0], [0.75, 0.75]]), torch.tensor([[0.8], [0], [0.8]])
    origin = torch.tensor([[0, 2], [2, 0], [2, 2]]), torch.tensor([[2], [0], [2]])
    seen = Seen(torch.zeros(3, 1), torch.zeros(3, 2), (torch.zeros(3, 2),))
    pool = Pool(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), seen, given, torch.tensor([False, False, True]))
    return pool, Completed(after, sure[0], origin[0], sure[1], origin[1])


def test_filled_labels_against_the_truth():
    pool, made = case()
    truth = Labels(torch.tensor([[1.0, 1], [0, 1]]), torch.tensor([[0], [1]]))
    found = judged(made, pool, truth)
    assert found["tags"]["filled"] == np.float32(2 / 3)
    assert found["tags"]["right"] == 0.5
    assert found["tags"]["present_right"] == 0.5
    assert found["tags"]["present_found"] == 0.5
    assert abs(found["tags"]["calibration"] - 0.25) < 1e-6
    assert found["classes"]["filled"] == 0.5
    assert found["classes"]["right"] == 1


def test_as_many_are_the_surest():
    pool, made = case()
    like = made._replace(tag_origin_NT=torch.tensor([[0, 1], [0, 0], [0, 0]]), class_origin_NA=torch.zeros(3, 1))
    sure = torch.tensor([[1, 0.6], [0.9, 0], [0.7, 0.8]])
    found = _as_many(made._replace(tag_confidence_NT=sure), like, pool.labels)
    assert found.labels.tags_NT.nan_to_num(-1).tolist() == [[1, -1], [1, -1], [-1, -1]]
    assert found.labels.classes_NA.tolist() == [[-1], [-1], [-1]]


def test_hidden_labels_of_painted_faces_are_filled(here, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "SLIM", {"channels": [8, 12, 16, 16], "stem_width": 4})
    out = tmp_path / "labels.csv"
    source = ["--data.source=anime_gen.data.NoisyLabels", "--data.source.source=anime_gen.data.PaintedFaces"]
    source += ["--data.source.source.faces=120", "--data.source.hidden=0.5", "--data.image_size=16"]
    done = here("tagger", "complete", *source, "--images=128", "--out", out)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.with_suffix(".json").read_text())
    assert abs(sum(report["origins"]["tags"].values()) - 1) < 0.01
    assert abs(report["origins"]["tags"]["given"] - 0.5) < 0.05
    assert report["truth"]["tagger alone, always"]["tags"]["filled"] == 1
    assert report["truth"]["completed"]["tags"]["right"] > 0.8  # most are absent: little skill is needed
    assert report["truth"]["completed"]["tags"]["filled"] == report["truth"]["tagger alone, as many"]["tags"]["filled"]
    # What was not hidden is there as it was, and trains.
    noisy = NoisyLabels(PaintedFaces(120), hidden=0.5)
    kinds = frozenset({"tags", "attributes", "tag_confidence"})
    before = noisy.fill("train", range(84), kinds, 8).columns
    after = Relabelled(PaintedFaces(120), out).fill("train", range(84), kinds, 8).columns
    given = before["tags"] >= 0
    assert np.array_equal(after["tags"][given], before["tags"][given])
    assert (after["tag_confidence"][given] == 1).all()
    filled = (after["tags"] >= 0) & ~given
    assert filled.any()
    assert (after["tag_confidence"][filled] < 1).all()
    known = before["attributes"] >= 0
    assert np.array_equal(after["attributes"][known], before["attributes"][known])
