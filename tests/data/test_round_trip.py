"""What is written is read back as the same thing, whatever is in it."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from anime_gen.data.manifest import Guess, Manifest, Row, canonical_tags, read_manifest, write_manifest
from anime_gen.data.metadata.described import described, manifest_of
from anime_gen.vocabulary import canonical

# All of Unicode, and often what has a meaning somewhere.
LETTERS = st.one_of(
    st.sampled_from("-@_, .\\\"';:=+|<>%0123456789a\t"),
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
)
WORDS = st.text(LETTERS, max_size=12)
CANONICAL = WORDS.map(canonical).filter(bool)
# A name is bytes, but for the slash and what ends it; a picture's ends in a suffix.
NAMES = st.binary(min_size=1, max_size=20).map(
    lambda name: name.replace(b"\0", b"a").replace(b"/", b"b").decode(errors="surrogateescape") + ".png"
)
GUESSES = st.builds(
    Guess,
    CANONICAL,
    st.integers(0, 1000).map(lambda thousandths: thousandths / 1000),
    st.one_of(st.just(""), st.text(string.ascii_lowercase, min_size=1, max_size=8)),
    st.booleans(),
)


@st.composite
def rows(draw):
    tags = tuple(dict.fromkeys(draw(st.lists(CANONICAL, max_size=4)))) or None
    guesses = {guess.word: guess for guess in draw(st.lists(GUESSES, max_size=4)) if guess.word not in (tags or ())}
    caption = " ".join(draw(WORDS).split()) or None
    group = draw(st.one_of(st.none(), CANONICAL))
    return Row(draw(NAMES), tags, caption, None, (group,), guessed_tags=tuple(guesses.values()))


@given(st.lists(rows(), min_size=1, max_size=3, unique_by=lambda row: row.file))
@example(
    [
        Row(
            " a.png",
            ("-3-", "mail@0.5", "x\\@0.5", "50@5%"),
            None,
            None,
            ("a@0.5 b",),
            guessed_tags=(Guess("-hat", 0.5),),
        )
    ]
)
@example(
    [
        Row(
            "\u3000顔.png",
            ("^_^",),
            None,
            None,
            ("\\-a",),
            guessed_tags=(Guess("\\-b", 0.5), Guess("-c", 1.0, "", False)),
        )
    ]
)
def test_a_manifest(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("round") / "manifest.csv"
    write_manifest(path, Manifest(("hair",), written))
    first = path.read_bytes()
    assert read_manifest(path).rows == written
    write_manifest(path, read_manifest(path))
    assert path.read_bytes() == first


@given(st.lists(WORDS, max_size=5), WORDS, WORDS)
@example(["a,b", "mail@0.5", "-x"], " a\r\nb", "@0.5")
def test_what_people_wrote_in_json(tmp_path_factory, tags, caption, hair):
    read = described({"tags": tags, "caption": caption, "hair": hair}, "a.png", "a.json")
    manifest = manifest_of([read])
    path = tmp_path_factory.mktemp("round") / "manifest.csv"
    write_manifest(path, manifest)
    (row,) = read_manifest(path).rows
    assert row.tags == manifest.rows[0].tags
    assert set(canonical_tags(tags) or ()) <= set(row.tags or ())
    assert (row.caption or "").split() == caption.split()
    assert row.classes == manifest.rows[0].classes
