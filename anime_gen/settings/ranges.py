"""Seeds, and whatever else is numbered, as they are typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import overload

from anime_gen.errors import UserError


class Ranges(Sequence[int]):
    """Numbers and ranges of them, with commas between: Ranges("0-3,7") has 0, 1, 2, 3 and 7, and is printed as typed.

    Raises:
        UserError: the text is something else, or a number is too large for a seed.
    """

    def __init__(self, typed: str) -> None:
        self.typed = typed
        self.numbers: list[int] = []
        for part in typed.split(","):
            match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
            if not match or (match[2] and int(match[2]) < int(match[1])):
                raise UserError(f"{typed}: give numbers and ranges such as 0-63 or 1,2,10-19")
            if int(match[2] or match[1]) >= 2**63:
                raise UserError(f"{typed}: a number is below 2**63")
            self.numbers += range(int(match[1]), int(match[2] or match[1]) + 1)

    def __str__(self) -> str:
        return self.typed

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> list[int]: ...

    def __getitem__(self, place: int | slice) -> int | list[int]:
        return self.numbers[place]
