"""Folders that nobody would make: each is read, packed, batched and described, or ends in one clear line."""

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anime_gen.cli import plain
from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, Folder
from anime_gen.data.datamodule import LABELS
from anime_gen.data.folder import labels_of
from anime_gen.data.listing import list_folder
from anime_gen.data.shards import write_shards
from anime_gen.prepare import Whole, card
from anime_gen.prepare.picture import Work, look
from anime_gen.prepare.rules import Rules
from anime_gen.vocabulary import LANDMARKS

SIZE = 8


def encoded(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (12, 12), **options) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size, 100 if mode in ("L", "I", "I;16") else None).save(content, kind, **options)
    return content.getvalue()


WHOLE = encoded()
# What may stand where a picture is looked for; a function makes what is no file.
PICTURES: dict[str, bytes | Callable[[Path], object]] = {
    "whole": WHOLE,
    "grey": encoded(mode="L"),
    "grey of 16 bits": encoded(mode="I;16"),
    "grey in floats": encoded("TIFF", mode="F"),
    "clear": encoded(mode="RGBA"),
    "palette": encoded(mode="P"),
    "four inks": encoded("JPEG", mode="CMYK"),
    "one pixel": encoded(size=(1, 1)),
    "a line": encoded(size=(1, 300)),
    "sideways": encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    "cut": WHOLE[:50],
    "empty": b"",
    "a text": b"<html>404</html>",
    "a folder": Path.mkdir,
    "a folder with a picture": lambda path: (path.mkdir(), (path / "in.png").write_bytes(WHOLE)),
    "a link to nothing": lambda path: path.symlink_to("nowhere.png"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
}
NAMES = st.one_of(
    st.sampled_from(["a.png", "A.PNG", "b.jpg", "red/a.png", "blue/a.png", "train/a.png", "val/a.png", ".hidden.png"]),
    st.sampled_from(["sp ace, comma.png", "new\nline.png", 'quo"d.png', "b\udcffd.png", "é.png", "e\u0301.png"]),
    st.sampled_from(["x" * 250 + ".png", "=1+1.png", "-rf.png", "%s.png", "\x1b[2J.png", "manifest.csv.png"]),
)
WORDS = st.one_of(
    st.sampled_from(
        ["smile", "blue hair", "1girl", "long_hair, hat", "smile@0.7 tagger", "-hat@0.8", "a@2", "@_@", ""]
    ),
    st.sampled_from(["NaN", "inf", "1e400", "-1", "0.5", "true", "null", "\0", "\x1b[2J", "\ud83d", "x" * 200_000]),
    st.sampled_from(["=cmd()", "train", "TEST", "valid", "never", "{", "[", '"', ",", "\n", "\r", "\ufeff", "|", "`"]),
    st.text(max_size=8),
)
NUMBERS = st.one_of(
    st.floats(0, 1), st.sampled_from([float("nan"), float("inf"), -1, 0, 2, 1e300, 10**400, True, "3", None, "", [1]])
)
POINTS = st.one_of(
    st.lists(NUMBERS, max_size=3),
    st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=24, max_size=24),
    st.just([[0.5, 0.5]] * 24),
    st.dictionaries(st.sampled_from([*LANDMARKS, "ear"]), st.lists(NUMBERS, max_size=3), max_size=3),
    NUMBERS,
)
VALUES = st.one_of(
    WORDS,
    NUMBERS,
    POINTS,
    st.lists(WORDS, max_size=3),
    st.dictionaries(WORDS, st.one_of(WORDS, NUMBERS, st.lists(WORDS, max_size=2)), max_size=3),
)
KEYS = st.sampled_from([
    *("file", "file_name", "id", "tags", "tag_string", "caption", "text", "split", "hair", "eye", "class"),
    *("landmarks", "width", "height", "nose_x", "nose_y", "nose_visible", "about_it", "File Name", "x", ""),
])  # fmt: skip
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)


def table(header: list[str], lines: list[list[str]]) -> str:
    return "\n".join(",".join(cells) for cells in [header, *lines])


def csv_of(files: list[str]) -> st.SearchStrategy[str]:
    """Tables that are nearly right: of the pictures that there are, and of others."""
    cells = st.one_of(WORDS.map(lambda word: '"' + word.replace('"', '""') + '"'), WORDS, NUMBERS.map(str))
    header = st.lists(KEYS, max_size=4).map(lambda keys: ["file", *keys])
    marked = [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
    name = st.sampled_from([*files, "gone.png", "../out.png", "/etc/passwd", ""]).map(lambda name: f'"{name}"')

    def lines(header: list[str]) -> st.SearchStrategy[str]:
        line = st.tuples(name, *[cells] * (len(header) - 1)).map(list)
        return st.lists(line, max_size=6).map(lambda lines: table(header, lines))

    points = st.lists(NUMBERS.map(str), min_size=48, max_size=48)
    with_points = st.lists(st.tuples(name, points), max_size=3).map(
        lambda rows: table(["file", *marked], [[name, *points] for name, points in rows])
    )
    return st.one_of(header.flatmap(lines), header.flatmap(lines), with_points, st.text(max_size=20))


def json_of(value: object) -> str:
    return json.dumps(value)


class Recipe(NamedTuple):
    """What a folder is made of: files by their names, what stands where, and how many plain pictures beside."""

    pictures: dict[str, str]
    labels: dict[str, bytes | None]  # None: a folder
    plain: int
    loop: bool


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    pictures = draw(st.dictionaries(NAMES, st.sampled_from(list(PICTURES)), max_size=5))
    plain_ones = draw(st.sampled_from([0, 1, 40, 60, 60]))
    files = [*pictures, *(f"{number:02}.png" for number in range(plain_ones))] or ["a.png"]
    tables = csv_of(files)
    objects = st.tuples(st.sampled_from(files), OBJECTS).map(lambda pair: {"file_name": pair[0], **pair[1]})
    forms = {
        "manifest.csv": tables,
        "labels.csv": tables,
        "metadata.csv": tables,
        "metadata.jsonl": st.lists(st.one_of(objects, OBJECTS, VALUES).map(json_of), max_size=4).map("\n".join),
        "metadata.parquet": st.text(max_size=20),
        "dataset.json": st.one_of(
            st.lists(st.tuples(st.sampled_from(files), st.one_of(st.integers(0, 3), VALUES)), max_size=4).map(
                lambda pairs: json_of({"labels": pairs})
            ),
            st.dictionaries(st.just("labels"), VALUES).map(json_of),
            VALUES.map(json_of),
        ),
        **{f"{Path(file).with_suffix(suffix)}": told for file in files[:4] for suffix, told in (
            (".json", st.one_of(OBJECTS, VALUES).map(json_of)), (".txt", WORDS), (".caption", WORDS)
        )},
    }  # fmt: skip
    labels: dict[str, bytes | None] = {}
    for name in draw(st.lists(st.sampled_from(list(forms)), max_size=3, unique=True)):
        content = draw(forms[name]).encode("utf-8", "surrogatepass")
        # Cut short, in another encoding, with bytes of no encoding, or a folder: seldom.
        damage = draw(st.integers(0, 9))
        labels[name] = {
            0: content[: len(content) // 2],
            1: content.decode("utf-8", "replace").encode("utf-16"),
            2: content + b"\xff\xfe\x80",
            3: None,
        }.get(damage, content)
    return Recipe(pictures, labels, plain_ones, draw(st.booleans()))


def cooked(recipe: Recipe, folder: Path) -> None:
    """Names that the file system refuses, or that others have, are left out."""

    def put(name: str, make: Callable[[Path], object]) -> None:
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                make(place)
        except (OSError, ValueError):
            pass

    for number in range(recipe.plain):
        put(f"{number:02}.png", lambda path: path.write_bytes(WHOLE))
    for name, kind in recipe.pictures.items():
        made = PICTURES[kind]
        put(name, made if callable(made) else lambda path, content=made: path.write_bytes(content))
    for name, content in recipe.labels.items():
        put(name, Path.mkdir if content is None else lambda path, content=content: path.write_bytes(content))
    if recipe.loop:
        put("loop", lambda path: path.symlink_to("."))


def said(use: Callable[[], object]) -> str:
    """ "" where it runs, or the line that says why it does not."""
    try:
        use()
    except UserError as error:
        return plain(str(error))
    return ""


def batches(source: Folder) -> None:
    """What training and scoring do with a source, at its smallest; what they are given is what it promises."""
    data = AnimeFaces(source, image_size=SIZE, batch_size=2)
    parts = source.parts
    loaders = [data.loader(split, parts & (LABELS | {"caption_BL"}), 4) for split in ("validation", "test")]
    for batch in [*(batch for loader in loaders for batch in loader), *data.stream(parts, 4, 2)]:
        assert batch.image_BCHW.isfinite().all()
        assert batch.image_BCHW.abs().max() <= 1
        points = batch.condition.landmarks_BK2
        assert points is None or (points.isnan() | ((points >= 0) & (points <= 1))).all()
        tags = batch.condition.tags_BT
        assert tags is None or (tags.isnan() | (tags == 0) | (tags == 1)).all()
        attributes = batch.condition.attributes_BA
        assert attributes is None or all(
            (attributes[:, place] < size).all() for place, size in enumerate(data.attribute_sizes)
        )
    next(iter(data.train_dataloader()))
    data.record("train", "validation", "test")


def described(source: Folder) -> None:
    """The page of `anime-gen card`."""
    found = card.facts(source)
    json.dumps(card.as_json(found))
    assert card.as_markdown(found, "it")


def prepared(folder: Path, out: Path) -> None:
    """What `anime-gen prepare` does with each picture, and with the labels."""
    labels_of(folder)
    for raw in list_folder(folder).pictures.values():
        look(Work(folder, out, Whole(), Rules(size=SIZE, margin=0.0, least_face=8)), raw)


def tried(examples: int, always_the_same: bool) -> None:
    outcomes: dict[str, int] = {}

    @settings(max_examples=examples, derandomize=always_the_same, database=None)
    @given(recipes())
    def each(recipe: Recipe) -> None:
        with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANIME_GEN_CACHE", f"{place}/cache")
            folder = Path(place) / "data"
            folder.mkdir()
            cooked(recipe, folder)
            for use in (
                lambda: batches(Folder(folder, min_tag_count=1)),
                lambda: described(Folder(folder, min_tag_count=1)),
                lambda: prepared(folder, Path(place) / "out"),
                lambda: write_shards(Folder(folder, min_tag_count=1), Path(place) / "shards"),
            ):
                line = said(use).replace(place, "")
                assert "\n" not in line, line
                assert len(line) < 600, line
                assert not line or len(line) > 20, f"says nothing: {line}"
                outcomes[line[:40]] = outcomes.get(line[:40], 0) + 1

    each()
    assert outcomes[""] > examples  # of four a folder: most is read


def test_a_few():
    tried(40, True)


@pytest.mark.slow
def test_many():
    tried(500, False)
