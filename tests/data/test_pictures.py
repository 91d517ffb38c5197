import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen.data.folder import Folder
from anime_gen.data.manifest import Manifest, Row, write_manifest
from anime_gen.data.pack import Pack
from anime_gen.data.painted import PaintedFaces
from anime_gen.data.pictures import EvaluationSet, Pictures, TrainingSet
from anime_gen.vocabulary import LANDMARKS

NONE, ALL = np.array([False] * 4), np.array([True] * 4)
ROWS = np.arange(4)


@pytest.fixture
def labelled(tmp_path) -> Pictures:
    """Four pictures whose left half is dark, with every landmark at a place of its own, half of them hidden."""
    points = np.stack([np.linspace(0, 0.92, 24), np.linspace(0.1, 0.9, 24)], 1).astype(np.float32)
    points[LANDMARKS.index("left_eye_top")] = np.nan
    given = ~np.isnan(points[:, 0])
    visible = given & (np.arange(24) % 2 == 0)
    tags = [("looking to the left", "hat"), ("looking to the right",), None, ("hat", "left glove")]
    rows = []
    for number in range(4):
        pixels = np.full((16, 16, 3), 255, np.uint8)
        pixels[:, :8] = 10 * number
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(Row(f"{number}.png", tags[number], None, "train", (), points, visible))
    write_manifest(tmp_path / "manifest.csv", Manifest((), rows))
    source = Folder(tmp_path, min_tag_count=1)
    return Pictures(Pack(source, "train", 16), frozenset({"tags_BT", "landmarks_BK2", "visible_BK"}))


def test_images_are_floats_from_minus_one_to_one(labelled):
    images = labelled.image(ROWS)
    assert images.dtype == torch.float32
    assert images.shape == (4, 3, 16, 16)
    assert images.is_contiguous()
    assert images[0, :, :, :8].unique().tolist() == [-1]
    assert images[:, :, :, 8:].unique().tolist() == [1]
    assert images[2, 0, 0, 0].item() == pytest.approx(20 / 127.5 - 1)


def test_a_mirror_image_swaps_pixels_landmarks_and_tags(labelled):
    plain, mirrored = labelled.condition(ROWS, NONE), labelled.condition(ROWS, ALL)
    assert torch.equal(labelled.image(ROWS, ALL), labelled.image(ROWS).flip(3))
    left, right = LANDMARKS.index("left_brow_outer"), LANDMARKS.index("right_brow_outer")
    assert torch.allclose(mirrored.landmarks_BK2[:, left, 0], 1 - plain.landmarks_BK2[:, right, 0])
    assert torch.allclose(mirrored.landmarks_BK2[:, left, 1], plain.landmarks_BK2[:, right, 1])
    nose = LANDMARKS.index("nose")
    assert torch.allclose(mirrored.landmarks_BK2[:, nose, 0], 1 - plain.landmarks_BK2[:, nose, 0])
    assert plain.landmarks_BK2[:, LANDMARKS.index("left_eye_top")].isnan().all()
    assert mirrored.landmarks_BK2[:, LANDMARKS.index("right_eye_top")].isnan().all()
    assert torch.equal(mirrored.visible_BK[:, left], plain.visible_BK[:, right])
    assert not torch.equal(mirrored.visible_BK, plain.visible_BK)

    words = labelled.vocabulary.tags
    to_left, to_right, glove = (words.index(w) for w in ("looking to the left", "looking to the right", "left glove"))
    assert plain.tags_BT[:2, [to_left, to_right]].tolist() == [[1, 0], [0, 1]]
    assert mirrored.tags_BT[:2, [to_left, to_right]].tolist() == [[0, 1], [1, 0]]
    # The data knows no "right glove": whether the mirrored picture has a left one, nobody said.
    assert plain.tags_BT[:, glove].tolist()[3] == 1
    assert mirrored.tags_BT[:, glove].isnan().all()
    assert mirrored.tags_BT[3, words.index("hat")] == 1
    assert plain.tags_BT[2].isnan().all()
    assert mirrored.tags_BT[2].isnan().all()


def test_a_mirror_image_swaps_classes_with_sides(tmp_path):
    columns = "facing,left_hand,right_hand,left_ear,hair"
    cells = ["left,fist,open,ring,red", "right,left up,,,blue", "front,,right up,ring,"]
    for number in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    lines = "".join(f"{number}.png,train,{line}\n" for number, line in enumerate(cells))
    (tmp_path / "manifest.csv").write_text(f"file,split,{columns}\n{lines}")
    pictures = Pictures(Pack(Folder(tmp_path), "train", 8), frozenset({"attributes_BA"}))

    def names(mirrored):
        told = pictures.condition(np.arange(3), np.array(mirrored)).attributes_BA.tolist()
        classes = pictures.vocabulary.attributes.values()
        return [",".join(words[i] if i >= 0 else "" for words, i in zip(classes, row, strict=True)) for row in told]

    assert names([False] * 3) == cells
    # The data knows no open left hand, no fist of the right, no right hand "right up", and no right ear.
    assert names([True] * 3) == ["right,,,,red", "left,,right up,,blue", "front,left up,,,"]
    assert names([False, True, False]) == [cells[0], "left,,right up,,blue", cells[2]]


def test_a_mirror_image_swaps_confidences_with_their_labels(tmp_path):
    for number in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    (tmp_path / "manifest.csv").write_text(
        "file,split,tags,left_hand,right_hand,hair\n"
        '0.png,train,"looking to the left@0.75 x, -looking to the right@0.5 x, left glove@0.25 x, hat@1",'
        "fist@0.5 x,left up@0.25 x,red\n"
        '1.png,train,"hat, looking to the left@0",,fist@0.75 x,\n'
        "2.png,train,looking to the right,left up,fist,red@0\n"
    )
    parts = frozenset({"tags_BT", "tag_confidence_BT", "attributes_BA", "attribute_confidence_BA"})
    source = Folder(tmp_path, min_tag_count=1)
    assert parts <= source.parts
    pictures = Pictures(Pack(source, "train", 8), parts)
    places = [pictures.vocabulary.tags.index(f"looking to the {side}") for side in ("left", "right")]
    glove, hat = (pictures.vocabulary.tags.index(tag) for tag in ("left glove", "hat"))
    rows = np.arange(3)
    plain, mirrored = (pictures.condition(rows, np.array([turned] * 3)) for turned in (False, True))
    assert plain.tag_confidence_BT.dtype == torch.float32
    assert plain.tags_BT[:, places].nan_to_num(-1).tolist() == [[1, 0], [-1, 0], [0, 1]]
    assert plain.tag_confidence_BT[:, places].tolist() == [[0.75, 0.5], [0, 1], [1, 1]]
    assert mirrored.tag_confidence_BT[:, places].tolist() == [[0.5, 0.75], [1, 0], [1, 1]]
    # The data knows no "right glove": nobody is sure of anything.
    assert plain.tag_confidence_BT[:, glove].tolist() == [0.25, 1, 1]
    assert mirrored.tag_confidence_BT[:, glove].tolist() == [0, 0, 0]
    assert mirrored.tag_confidence_BT[:, hat].tolist() == plain.tag_confidence_BT[:, hat].tolist() == [1, 1, 1]
    assert pictures.vocabulary.attributes == {
        "left_hand": ("fist", "left up"), "right_hand": ("fist", "left up"), "hair": ("red",),
    }  # fmt: skip
    assert plain.attributes_BA.tolist() == [[0, 1, 0], [-1, 0, -1], [1, 0, -1]]
    assert plain.attribute_confidence_BA.tolist() == [[0.5, 0.25, 1], [0, 0.75, 0], [1, 1, 0]]
    # No hand is "right up": the mirror image of "left up" is none of ours.
    assert mirrored.attributes_BA.tolist() == [[-1, 0, 0], [0, -1, -1], [0, -1, -1]]
    assert mirrored.attribute_confidence_BA.tolist() == [[0, 0.5, 1], [0.75, 0, 0], [1, 0, 0]]
    for told in (plain, mirrored):
        assert torch.equal(told.tag_confidence_BT == 0, told.tags_BT.isnan())
        assert torch.equal(told.attribute_confidence_BA == 0, told.attributes_BA == -1)
    alone = Pictures(Pack(source, "train", 8), frozenset({"attribute_confidence_BA"})).condition(
        rows, np.array([True] * 3)
    )
    assert torch.equal(alone.attribute_confidence_BA, mirrored.attribute_confidence_BA)
    assert alone.attributes_BA is None


def test_a_guess_is_another_label(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    keys = set()
    for cell in ("hat", "hat@1", "hat@0.5", "hat@0.5 tagger", "-hat@0.5", "hat@0"):
        (tmp_path / "manifest.csv").write_text(f"file,split,tags,hair\n0.png,train,{cell},red\n")
        keys.add(Folder(tmp_path, min_tag_count=1).label_key("train"))
    (tmp_path / "manifest.csv").write_text("file,split,tags,hair\n0.png,train,hat,red@0.5\n")
    keys.add(Folder(tmp_path, min_tag_count=1).label_key("train"))
    assert len(keys) == 7


def test_painted_labels_are_sure():
    parts = frozenset({"tags_BT", "tag_confidence_BT", "attributes_BA", "attribute_confidence_BA"})
    told = Pictures(Pack(PaintedFaces(200), "train", 8), parts).condition(np.arange(140))
    assert (told.tag_confidence_BT == 1).all()
    assert torch.equal(told.attribute_confidence_BA, (told.attributes_BA >= 0).float())


def test_mirroring_twice_changes_nothing(labelled):
    some = np.array([True, False, True, False])
    plain, mirrored = labelled.condition(ROWS), labelled.condition(ROWS, some)
    for name in ("tags_BT", "landmarks_BK2", "visible_BK"):
        torch.testing.assert_close(getattr(mirrored, name)[1::2], getattr(plain, name)[1::2], equal_nan=True)
    assert torch.equal(labelled.image(ROWS, some)[1::2], labelled.image(ROWS)[1::2])
    # The files are not written to.
    torch.testing.assert_close(labelled.condition(ROWS).landmarks_BK2, plain.landmarks_BK2, equal_nan=True)


def test_pictures_survive_a_pickle_without_their_pixels(labelled):
    carried = pickle.dumps(labelled)
    assert torch.equal(pickle.loads(carried).image(ROWS), labelled.image(ROWS))
    assert b"\xff" * 64 not in carried


def test_training_pictures_do_not_depend_on_how_they_are_batched(labelled):
    whole = TrainingSet(labelled, 3, True, labelled).__getitems__(range(24))
    set_again = TrainingSet(labelled, 3, True, labelled)
    parts = [set_again.__getitems__(range(start, start + 3)) for start in (21, 0, 3, 6, 9, 12, 15, 18)]
    parts = parts[1:] + parts[:1]
    assert torch.equal(whole.index_B, torch.cat([part.index_B for part in parts]))
    assert torch.equal(whole.image_BCHW, torch.cat([part.image_BCHW for part in parts]))
    assert torch.equal(whole.condition.source_BCHW, torch.cat([part.condition.source_BCHW for part in parts]))
    dark_on_the_right = whole.image_BCHW[:, 0, 0, 15] < 0.9
    assert 0 < dark_on_the_right.sum() < 24
    assert whole.index_B.reshape(6, 4).sort(1).values.tolist() == [[0, 1, 2, 3]] * 6
    never = TrainingSet(labelled, 3, False, None).__getitems__(range(24))
    assert (never.image_BCHW[:, 0, 0, 15] == 1).all()


def test_broken_pictures_have_no_position(faces):
    listed = Folder(faces)
    for row in (0, 7):
        (faces / listed.name("train", row)).write_text("broken")
    source = Folder(faces)
    pictures = Pictures(Pack(source, "train", 8), frozenset())
    assert len(pictures) == source.count("train") - 2
    assert pictures.rows[:8].tolist() == [1, 2, 3, 4, 5, 6, 8, 9]
    batch = EvaluationSet(pictures, None).__getitems__([0, 6])
    numbers = ((batch.image_BCHW[:, 0, 4, 4] + 1) * 127.5).round().int().tolist()
    assert numbers == [int(source.name("train", row)[-7:-4]) for row in (1, 8)]
    assert batch.index_B.tolist() == [0, 6]


def test_every_run_says_which_pictures_it_goes_without(faces, caplog):
    lost = Folder(faces).name("train", 3)
    (faces / lost).write_text("broken")
    for _ in range(2):
        caplog.clear()
        pack = Pack(Folder(faces), "train", 8)
        pictures = Pictures(pack, frozenset())
        Pictures(pack, frozenset())
        text = f"1 of {len(pictures) + 1} files of the train split could not be read: {lost}"
        assert caplog.text.count(text) == 1


def test_painted_faces_in_every_part():
    source = PaintedFaces(faces=60, seed=1)
    pictures = Pictures(Pack(source, "train", 32), source.parts)
    assert [source.count(split) for split in ("train", "validation", "test")] == [42, 9, 9]
    rows = np.arange(42)
    told = pictures.condition(rows)
    assert told.tags_BT.unique().tolist() == [0, 1]
    # Of an eye that is shut or covered, nobody sees the colour.
    assert (told.attributes_BA >= torch.tensor([0, -1, 0, 0])).all()
    assert (told.attributes_BA < torch.tensor(source.vocabulary.attribute_sizes)).all()
    assert told.visible_BK.dtype == torch.bool
    assert told.sketch_B1HW.shape == (42, 1, 32, 32)
    # Mostly paper, which is 0.
    assert told.sketch_B1HW.median() < 0.25
    assert told.sketch_B1HW.max() > 0.5
    mirrored = pictures.condition(rows, np.ones(42, bool))
    assert torch.equal(mirrored.sketch_B1HW, told.sketch_B1HW.flip(3))
    assert len(source.captions("test")) == 9
    assert all(source.captions("test"))


def test_painted_splits_share_no_face_and_do_not_move():
    few, many = PaintedFaces(faces=40), PaintedFaces(faces=100)
    names = {
        split: {many.name(split, row) for row in range(many.count(split))} for split in ("train", "validation", "test")
    }
    assert [len(names[split]) for split in names] == [70, 15, 15]
    assert len(set.union(*names.values())) == 100
    for split, known in names.items():
        assert {few.name(split, row) for row in range(few.count(split))} <= known
