"""Words that are somebody else's (names of files, runs and tags), where a program would obey what stands in them.

HTML has the library's `html.escape`.
"""

from __future__ import annotations

import re

# An underscore within a word is none of emphasis.
_MARKDOWN = re.compile(r"[\\`*{}\[\]<>|#&]|(?<!\w)_|_(?!\w)")
# What begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """Without what moves a terminal's cursor or rings its bell; one line."""
    return "".join(sign for sign in text if sign.isprintable())


def in_markdown(text: str) -> str:
    """As it is in Markdown: no markup, HTML, link or end of a table's cell."""
    return _MARKDOWN.sub(lambda sign: f"\\{sign[0]}", printable(text))


def in_code(text: str) -> str:
    """Between a pair of backticks, which it cannot end, nor the cell of a table around them."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', '/')}`"


def in_csv(text: str) -> str:
    """A cell of a table for people: none that a spreadsheet works out."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def in_figure(text: str) -> str:
    """On a figure: nothing is set as mathematics."""
    return printable(text).replace("$", r"\$")
