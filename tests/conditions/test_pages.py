"""What is asked of every kind of condition: a new page is picked up without an edit."""

import copy
import pickle

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen.conditions import COLUMNS, FIELDS, KINDS, Condition, Facts, joined, kinds_of, pinned
from anime_gen.conditions.kind import Asking, Picture, Points, Words
from anime_gen.contract import Batch
from anime_gen.data import AnimeFaces, PaintedFaces, source
from anime_gen.errors import UserError
from anime_gen.vocabulary import Vocabulary

WORDS = Vocabulary(["smile", "left glove", "right glove", "hat"], {"hair": ["red", "blue"], "eye": ["green", "brown"]})
FACTS = Facts(16, WORDS, text_width=6)


def half_clear() -> Image.Image:
    """Noise above, nothing below."""
    picture = Image.new("RGBA", (24, 20))
    picture.paste(Image.effect_noise((24, 10), 80).convert("RGBA"), (0, 0))
    return picture


# Something that a user might hand over, by its class; by the name of an option that takes no such thing.
HANDED = {
    Words: lambda: Words("smile"),
    Points: lambda: Points({"nose": [0.5, 0.6]}),
    Picture: lambda: Picture(half_clear()),
}


def given(part: torch.Tensor, not_given: float) -> torch.Tensor:
    return ~part.isnan() if np.isnan(not_given) else part != not_given


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_says_what_it_holds(name):
    field = FIELDS[name]
    nothing, example = field.nothing(FACTS), field.example(3, FACTS)
    assert nothing.shape == (1, *field.shape(FACTS))
    assert example.shape == (3, *field.shape(FACTS))
    assert nothing.dtype == example.dtype == field.dtype
    assert not given(nothing, field.not_given).any()
    assert given(example, field.not_given).float().mean() > 0.4  # (an absent tag is given, a zero confidence is not)


@pytest.mark.parametrize("name", sorted(source.FIELDS))
def test_a_mirror_undoes_itself(name):
    """From a pack of painted faces: mirrored twice, a row is what it was, and the rows beside it do not change."""
    field, faces = FIELDS[name], PaintedFaces(20)
    names = frozenset(column.name for column in field.columns)
    rows = {
        column: values.astype(source.COLUMNS[column].dtype)
        for column, values in faces.fill("train", range(4), names, 16).columns.items()
    }
    mirrored = np.array([True, False, True, False])

    def load(mirror):
        return field.load({column: values.copy() for column, values in rows.items()}, mirror, faces.vocabulary)

    plain, turned = load(None), load(mirrored)
    assert plain.shape == (4, *field.shape(Facts(16, faces.vocabulary)))
    assert plain.dtype == turned.dtype == field.dtype
    torch.testing.assert_close(turned[~mirrored], plain[~mirrored], equal_nan=True, rtol=0, atol=0)
    if field.columns[0].of_pixels and plain.ndim == 4:
        torch.testing.assert_close(turned[mirrored].flip(-1), plain[mirrored], equal_nan=True, rtol=0, atol=0)


def test_names_and_places_are_taken_once():
    assert len({kind.place for kind in KINDS.values()}) == len(KINDS)
    options = [option.name for kind in KINDS.values() for option in kind.options]
    assert len(set(options)) == len(options)
    assert sum(len(kind.fields) for kind in KINDS.values()) == len(FIELDS)
    assert set(COLUMNS) - set(source.COLUMNS) == {"text"}  # which a tower makes of captions


@pytest.mark.parametrize("option", [pytest.param(o, id=o.name) for kind in KINDS.values() for o in kind.options])
def test_what_is_asked_for_fills_a_row(option):
    asking = Asking(FACTS, read=lambda caption: torch.ones(1, FACTS.text_width))
    rows = option.rows(HANDED.get(option.name, HANDED[option.input])(), asking)
    assert rows.keys() == option.fields
    for name, row in rows.items():
        assert row.shape == (1, *FIELDS[name].shape(FACTS)), name
        assert row.dtype == FIELDS[name].dtype
    first = next(field.name for kind in KINDS.values() for field in kind.fields if field.name in rows)
    assert any(given(row, FIELDS[name].not_given).any() for name, row in rows.items()), first


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_seen_in_a_grid_where_it_is_given(name):
    kind = KINDS[name]
    asked = Condition(**{field.name: field.example(1, FACTS) for field in kind.fields})
    nothing = Condition(**{field.name: field.nothing(FACTS) for field in kind.fields})
    drawing = kind.drawing(asked, 0, 32)
    if drawing is not None:
        assert drawing.mode == "RGBA"
        assert drawing.size == (32, 32)
        assert np.asarray(drawing)[..., 3].any(), "nothing is seen of it"
    assert kind.drawing(nothing, 0, 32) is None
    assert kind.words(nothing, 0, WORDS) == []


def test_only_what_says_where_things_are_pins_a_picture_down():
    assert pinned({"landmarks_BK2"})
    assert pinned({"tags_BT", "sketch_B1HW"})
    assert not pinned({"tags_BT", "attributes_BA", "caption_BL", "source_BCHW"})
    assert [kind.name for kind in kinds_of({"sketch_B1HW", "tags_BT"})] == ["tags", "sketch"]


def test_a_condition_is_a_mapping_that_knows_its_fields():
    condition = Condition(tags_BT=torch.arange(6.0).view(3, 2), caption_BL=None)
    assert dict(condition).keys() == {"tags_BT"}
    assert condition.caption_BL is None
    assert condition.tags_BT is condition["tags_BT"]
    assert torch.equal(condition.rows(torch.tensor([2, 0]))["tags_BT"], torch.tensor([[4.0, 5], [0, 1]]))
    assert not condition.replace(tags_BT=None)
    assert torch.equal(joined([condition, condition])["tags_BT"], torch.arange(6.0).view(3, 2).repeat(2, 1))
    with pytest.raises(TypeError, match="no field tag_BT"):
        Condition(tag_BT=torch.zeros(1))
    with pytest.raises(AttributeError):
        condition.tag_BT  # noqa: B018
    for copied in (copy.deepcopy(condition), pickle.loads(pickle.dumps(condition))):
        assert torch.equal(copied["tags_BT"], condition["tags_BT"])


def test_lightning_moves_and_converts_it():
    condition = Condition(tags_BT=torch.rand(2, 3), attributes_BA=torch.zeros(2, 1, dtype=torch.int64))
    batch = Batch(torch.rand(2, 3, 8, 8), condition, torch.arange(2))
    double = L.pytorch.plugins.DoublePrecision().convert_input(batch)
    assert isinstance(double.condition, Condition)
    assert double.condition["tags_BT"].dtype == torch.float64
    assert double.condition["attributes_BA"].dtype == torch.int64
    moved = L.fabric.utilities.move_data_to_device(batch, torch.device("meta"))
    assert moved.condition["tags_BT"].device.type == "meta"


def test_workers_hand_conditions_over(tmp_path):
    data = AnimeFaces(PaintedFaces(60), 16, 16, num_workers=1, cache_dir=tmp_path)
    parts = frozenset({"tags_BT", "sketch_B1HW"})
    [batch] = data.stream(parts, 16, 16)
    assert set(batch.condition) == parts


def test_errors_are_one_line_and_say_what_is_wrong():
    asking = Asking(FACTS)
    tags, landmarks = KINDS["tags"].options[0], KINDS["landmarks"].options[0]
    for option, form, message in (
        (tags, Words("wings"), "'wings' is not in"),
        (tags, Words("red hair, blue hair"), "hair cannot be both"),
        (landmarks, Points([1, 2]), "24 pairs"),
        (landmarks, Points({"nsoe": [0, 0]}), "'nsoe' is no landmark"),
        (landmarks, Points({"nose": [300, 20]}), "lies outside"),
        (landmarks, Points({"nose": 3}), r"must be \[x, y\]"),
        (landmarks, Points({"width": 0, "height": 9, "nose": [1, 1]}), "above 0"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            option.rows(form, asking)
        assert "\n" not in str(caught.value)
