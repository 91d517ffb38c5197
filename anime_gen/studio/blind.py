"""Two runs' faces of one wish, without names; who prefers one of them has voted."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from anime_gen.conditions.kind import Words
from anime_gen.contract import UserError
from anime_gen.run.opened import OpenRun
from anime_gen.studio import votes
from anime_gen.studio.compare import drawing
from anime_gen.studio.faces import png, upright
from anime_gen.studio.line import Tell
from anime_gen.studio.shelf import Shelf, words_told

# Faces of each of the two.
FACES = 4
# Pairs that are looked at and not yet voted on; the oldest are forgotten.
MOST_PAIRS = 1000
CHOICES = ("left", "right", "tie")

LOT = secrets.SystemRandom()


class Pair(NamedTuple):
    """What a vote is about."""

    left: str
    right: str
    words: str
    seeds: list[int]


class Booth:
    """Where votes are cast.

    Args:
        shelf: the runs.
        file: where votes are kept.

    Raises:
        UserError: the file holds something else.
    """

    def __init__(self, shelf: Shelf, file: Path) -> None:
        self._shelf = shelf
        self._file = file
        self._pairs: OrderedDict[str, Pair] = OrderedDict()
        votes.read(file)

    def pair(self, message: Mapping[str, Any], tell: Tell) -> None:
        """Tells `pair` with its words and a ticket, and `face` of both sides, in turn.

        Raises:
            UserError: fewer than two runs draw.
        """
        names = drawing(self._shelf)
        if len(names) < 2:
            raise UserError("a vote needs two runs that draw faces: start the studio with more")
        left, right = LOT.sample(names, 2)
        runs = [self._shelf.open(name) for name in (left, right)]
        words = by_lot(*runs)
        seeds = [LOT.randrange(10**6) for _ in range(FACES)]
        ticket = secrets.token_urlsafe(16)
        tell("pair", words=words, ticket=ticket, count=FACES)
        asked = [run.ask({"tags": Words(words)} if words else {}) for run in runs]
        for place, seed in enumerate(seeds):
            for side, run, condition in zip(("left", "right"), runs, asked, strict=True):
                [[picture]] = run.draw(condition, [seed])
                tell("face", side=side, place=place, png=png(upright(picture)))
        self._pairs[ticket] = Pair(left, right, words, seeds)
        if len(self._pairs) > MOST_PAIRS:
            self._pairs.popitem(last=False)

    def vote(self, message: Mapping[str, Any], tell: Tell) -> None:
        """Keeps one, once for each pair, and tells `names` and `ranking`.

        Raises:
            UserError: it is about no pair, or cannot be written.
        """
        if message.get("chosen") not in CHOICES:
            raise UserError(f"a vote is one of {', '.join(CHOICES)}")
        pair = self._pairs.pop(str(message.get("ticket")), None)
        if pair is None:
            raise UserError("that pair was voted on, or forgotten: take the next one")
        votes.keep(self._file, pair.left, pair.right, message["chosen"], pair.words, pair.seeds)
        tell("names", left=pair.left, right=pair.right)
        self.ranking(message, tell)

    def ranking(self, message: Mapping[str, Any], tell: Tell) -> None:
        """Tells `ranking`, of all votes there are.

        Raises:
            UserError: the file was spoiled.
        """
        cast = votes.read(self._file)
        places = votes.ranking(cast, drawing(self._shelf))
        tell("ranking", votes=len(cast), places=[place._asdict() for place in places])


def by_lot(one: OpenRun, other: OpenRun) -> str:
    """A class of each group that both know."""
    (groups, _), (others, _) = (words_told(run.module, run) for run in (one, other))
    shared = [[word for word in words if word in others.get(group, [])] for group, words in groups.items()]
    return ", ".join(LOT.choice(words) for words in shared if words)
