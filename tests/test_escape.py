"""Words of strangers, where a program would obey them."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from anime_gen.escape import in_code, in_csv, in_figure, in_markdown, printable
from anime_gen.vocabulary import canonical


@pytest.mark.parametrize("text", ["=1+1", "+1", "-hat", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert in_csv(text) == f"'{text}"
    assert in_csv(f"a{text}") == f"a{text}"


def test_markdown_has_no_markup_of_theirs():
    assert in_markdown("<b>[a](b)|\x1b&lt; `c` _d_ fd_judge") == r"\<b\>\[a\](b)\|\&lt; \`c\` \_d\_ fd_judge"
    assert in_code("a`<b>`|\n") == "`a'<b>'/`"


@given(st.text(max_size=20))
@example("a$x_{$")
def test_any_text_can_be_drawn(text):
    figure = Figure()
    figure.text(0, 0, in_figure(text))
    assert "\x1b" not in printable(text)
    figure.texts[0]._preprocess_math(figure.texts[0].get_text())


@given(st.text(max_size=20))
@example("a\x1b[2J\x07\N{RIGHT-TO-LEFT OVERRIDE}b")
def test_a_word_of_the_vocabulary_holds_nothing_that_a_terminal_obeys(text):
    word = canonical(text)
    assert not {*map(chr, range(32)), *map(chr, range(127, 160)), "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(word)
    assert canonical(word) == word


def test_a_table_is_read_as_it_was_meant():
    out = io.StringIO()
    csv.writer(out).writerow([in_csv('=HYPERLINK("http://x")'), in_csv("a")])
    assert next(csv.reader(io.StringIO(out.getvalue()))) == ['\'=HYPERLINK("http://x")', "a"]
