"""Seeds, and whatever else is numbered, as they are typed."""

from __future__ import annotations

import re

from anime_gen.contract import UserError


def parse_ranges(option: str, text: str) -> list[int]:
    """ "0-3,7" -> [0, 1, 2, 3, 7].

    Args:
        option: what was typed it for, to be named.
        text: numbers and ranges of them, with commas between.

    Raises:
        UserError: it is something else, or a number is too large for a seed.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise UserError(f"--{option} {text}: give numbers and ranges such as 0-63 or 1,2,10-19")
        if int(match[2] or match[1]) >= 2**63:
            raise UserError(f"--{option} {text}: a number is below 2**63")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return numbers
