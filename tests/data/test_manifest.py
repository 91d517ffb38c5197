import numpy as np
import pytest

from anime_gen.contract import UserError
from anime_gen.data.manifest import (
    Guess,
    Manifest,
    Row,
    hashed_split,
    read_manifest,
    write_manifest,
)
from anime_gen.vocabulary import LANDMARKS, S5_TAGS

POINTS = ",".join(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")


def manifest(tmp_path, text):
    path = tmp_path / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_column(tmp_path):
    values = ",".join(["0.25", "0.5"] * 23 + ["", ""])
    path = manifest(
        tmp_path,
        f"\ufefffile,tags,caption,split,hair,gender,{POINTS},nose_visible\n"
        f'a/1.png,"Long_Hair, twintails,long hair","a girl, smiling",val,gray,,{values},0\n'
        f"2.png,,,,,male,{',' * 47},\n",
    )
    groups, (one, two), _ = read_manifest(path)
    assert groups == ("hair", "gender")
    assert one[:5] == ("a/1.png", ("long hair", "twin tails"), "a girl, smiling", "validation", ("grey", None))
    assert one.landmarks_K2[0].tolist() == [0.25, 0.5]
    assert np.isnan(one.landmarks_K2[LANDMARKS.index("chin")]).all()
    assert not one.visible_K[LANDMARKS.index("chin")]
    assert not one.visible_K[LANDMARKS.index("nose")]
    assert one.visible_K.sum() == 22
    assert two == Row("2.png", None, None, None, (None, "male"), None, None)


def test_what_is_written_is_read_again(tmp_path):
    points = np.random.default_rng(0).random((24, 2)).astype(np.float32)
    points[3] = np.nan
    rows = [
        Row("ü/1.png", ("smile", "hat"), 'said "hi", left', "test", ("red",), points, ~np.isnan(points[:, 0])),
        Row("2.png", None, None, None, (None,)),
    ]
    write_manifest(tmp_path / "out" / "manifest.csv", Manifest(("eye",), rows))
    back = read_manifest(tmp_path / "out" / "manifest.csv")
    assert back.groups == ("eye",)
    assert back.rows[0][:5] == rows[0][:5]
    np.testing.assert_allclose(back.rows[0].landmarks_K2, points, atol=1e-6)
    np.testing.assert_array_equal(back.rows[0].visible_K, rows[0].visible_K)
    assert back.rows[1] == rows[1]


def test_guessed_labels_stand_apart_from_written_ones(tmp_path):
    path = manifest(
        tmp_path,
        "file,tags,hair,eye\n"
        'a.png,"Smile, hat@0, -long_hair@.83 tagger, :d@0.250 co_occurrence",gray@0.93 tagger,blue\n'
        'b.png,"twintails@1, -tie@1.0",,\n'
        "c.png,hat,red,\n",
    )
    groups, (one, two, three), _ = read_manifest(path)
    assert groups == ("hair", "eye")
    assert one.tags == ("smile",)
    assert one.guessed_tags == (
        Guess("hat", 0.0),
        Guess("long hair", 0.83, "tagger", present=False),
        Guess(":d", 0.25, "co_occurrence"),
    )
    assert one.classes == (None, "blue")
    assert one.guessed_classes == (Guess("grey", 0.93, "tagger"), None)
    assert two.tags is None
    assert two.guessed_tags == (Guess("twin tails", 1.0), Guess("necktie", 1.0, present=False))
    assert two.guessed_classes == ()
    assert three == Row("c.png", ("hat",), classes=("red", None))
    write_manifest(tmp_path / "again.csv", Manifest(groups, [one, two, three]))
    assert read_manifest(tmp_path / "again.csv").rows == [one, two, three]


def test_image_boards_words_are_no_guesses(tmp_path):
    faces = [":d", "@_@", "-_-", "^_^", ";)", ">_<", "0_0", "+_+", "idolm@ster", "-", "=_=", "@2", "2@"]
    (row,) = read_manifest(manifest(tmp_path, f'file,tags\na.png,"{", ".join(faces)}"\n')).rows
    assert row.tags == tuple(faces)
    assert row.guessed_tags == ()
    # And they can be guessed, there or absent.
    cells = ", ".join(f"{face}@0.5 tagger, {face}x@0.5 tagger, -{face};@0.7 tagger" for face in faces[:9])
    (row,) = read_manifest(manifest(tmp_path, f'file,tags\na.png,"{cells}"\n')).rows
    words = faces[:9]
    assert [guess.word for guess in row.guessed_tags[::3]] == words
    assert all(guess.present for guess in row.guessed_tags[::3] + row.guessed_tags[1::3])
    assert [guess.word for guess in row.guessed_tags[2::3]] == [f"{word};" for word in words]
    assert not any(guess.present for guess in row.guessed_tags[2::3])
    write_manifest(tmp_path / "again.csv", Manifest((), [row]))
    assert read_manifest(tmp_path / "again.csv").rows == [row]


def test_words_are_counted_guessed_or_not(tmp_path):
    text = 'file,tags,hair\na.png,"smile@0.9 tagger, -hat@0.9 tagger, bow@0",red@0.8 tagger\nb.png,smile,blue@0\n'
    words = read_manifest(manifest(tmp_path, text)).vocabulary(1)
    assert words.tags == ("smile",)
    assert words.attributes == {"hair": ("red",)}
    assert read_manifest(tmp_path / "manifest.csv").vocabulary(2).tags == ("smile",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,tags\na.png,smile\n", "no column `file`; the columns are name, tags"),
        ("", "has no rows"),
        ("file\n", "has no rows"),
        ("file,Tag\na.png,smile\n", "unknown column `tag`: did you mean `tags`"),
        ("file,captoin\na.png,hi\n", "unknown column `captoin`: did you mean `caption`"),
        ("file,File\na.png,a.png\n", "`file` is there twice"),
        ("file,file\na.png,a.png\n", "`file` is there twice"),
        ("file,left_eyebrow_outer_x\na.png,0.5\n", "unknown column `left_eyebrow_outer_x`: did you mean"),
        ("file,nose_x,nose_y\na.png,0.5,0.5\n", "all 24 landmarks need their columns"),
        (f"file,{POINTS}\na.png,0.5,high{',' * 46}\n", "line 2: left_brow_outer_y is 'high'"),
        (f"file,{POINTS}\na.png,0.5,1.5{',' * 46}\n", "line 2: left_brow_outer_y is '1.5'"),
        (f"file,{POINTS}\na.png,0.5{',' * 47}\n", "left_brow_outer has only one of its x and y"),
        ("file,split\na.png,\nb.png,training\n", "line 3: split is 'training'"),
        ("file\na.png\nb.png\na.png\n", "line 4: a.png was given already on line 2"),
        ("file,tags\na.png,smile,hat\n", "line 2: 3 cells under 2 columns"),
        ("file,tags\n,smile\n", "line 2: `file` is empty"),
        ("file,tags\na.png,smile@1.5\n", "line 2: 'smile@1.5': behind @ stands a confidence from 0 to 1"),
        ("file,tags\na.png,smile@0.5 Tagger\n", "line 2: 'smile@0.5 Tagger': behind @ stands a confidence"),
        ("file,tags\na.png,smile @ 0.5\n", "line 2: 'smile @ 0.5': behind @ stands a confidence"),
        ("file,tags\na.png,smile@90% tagger\n", "line 2: 'smile@90% tagger': behind @ stands a confidence"),
        ('file,tags\na.png,"hat@0.5, -hat@0.5"\n', "line 2: 'hat' is guessed twice"),
        ('file,tags\na.png,"hat, hat@0.5"\n', "line 2: 'hat' is there plainly and with a confidence"),
        ("file,hair\na.png,-red@0.5\n", "line 2: hair is '-red@0.5': a class is guessed, or the cell is empty"),
        ("file,score\n" + "".join(f"{i}.png,{i / 7}\n" for i in range(80)), "`score` has 80 different values"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        read_manifest(manifest(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_not_text(tmp_path):
    for content, line in (("file\na.png\n".encode("utf-16"), 1), (b"file,tags\na.png,\xe9t\xe9\n", 2)):
        (tmp_path / "manifest.csv").write_bytes(content)
        with pytest.raises(UserError, match=f"line {line}: this is not a CSV file in UTF-8: save it as one"):
            read_manifest(tmp_path / "manifest.csv")


def test_the_header_may_be_written_in_any_way(tmp_path):
    path = manifest(tmp_path, "File,TAGS,Hair,Hair Style,option,styles\na.png,hat,gray,long,x,y\n")
    groups, (row,), _ = read_manifest(path)
    assert groups == ("hair", "hair_style", "option", "styles")
    assert row == Row("a.png", ("hat",), classes=("grey", "long", "x", "y"))
    # `tags` is there: `bags` is no slip of the pen.
    assert read_manifest(manifest(tmp_path, "file,tags,bags\na.png,hat,none\n")).groups == ("bags",)


def test_file_names_may_be_any_bytes(tmp_path):
    name = b"\xe9t\xe9.png".decode("utf-8", "surrogateescape")
    write_manifest(tmp_path / "out.csv", Manifest((), [Row(name, ("hat",))]))
    assert (tmp_path / "out.csv").read_bytes() == b"file,tags\n\xe9t\xe9.png,hat\n"
    assert read_manifest(tmp_path / "out.csv").rows == [Row(name, ("hat",))]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write_manifest(tmp_path / "out.csv", Manifest((), [Row("a.png", caption="\ud800")]))
    assert list(tmp_path.iterdir()) == []


def test_the_vocabulary_grows_with_the_data_and_knows_aliases(tmp_path):
    rows = "".join(
        f"{i}.png,gray,{'grey_hair, tie' if i % 2 else 'gray hair, necktie, rare' * (i < 4)}\n" for i in range(9)
    )
    rows = "\n".join(line.replace(",gray,", ',gray,"') + '"' for line in rows.splitlines())
    words = read_manifest(manifest(tmp_path, f"file,hair,tags\n{rows}\n")).vocabulary(min_tag_count=3)
    assert words.tags == ("grey hair", "necktie")
    assert "grey hair" not in S5_TAGS
    assert words.attributes == {"hair": ("grey",)}
    assert words.parse("gray hair").classes == {"hair": "grey"}


def test_hashed_splits_are_stable_and_of_the_right_size():
    splits = [hashed_split(f"{i}.jpg") for i in range(4000)]
    assert abs(splits.count("train") / 4000 - 0.70) < 0.03
    assert abs(splits.count("validation") / 4000 - 0.15) < 0.03
    # Written down: a change would move pictures between the splits of models that are trained.
    known = {"a.png": "train", "3.png": "validation", "x/1.jpg": "test"}
    assert {name: hashed_split(name) for name in known} == known


def test_what_is_said_of_a_picture_beside_its_labels_stays(tmp_path):
    path = manifest(tmp_path, "file,about_source,hair,about_sharp\na.png, raw/1.jpg ,blue,0.5\nb.png,,,\n")
    found = read_manifest(path)
    assert found.groups == ("hair",)
    assert found.about == ("source", "sharp")
    assert [row.about for row in found.rows] == [(" raw/1.jpg ", "0.5"), ("", "")]
    write_manifest(tmp_path / "again.csv", found)
    assert read_manifest(tmp_path / "again.csv") == found
