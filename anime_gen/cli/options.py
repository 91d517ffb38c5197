"""Options of verbs that read no settings of a run, without the time that a parser of settings takes."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from anime_gen.contract import UserError


class Options(argparse.ArgumentParser):
    """Its mistakes are one line.

    Args:
        prog: "anime-gen VERB".
        advice: what a complaint ends with.
        more: as of `argparse.ArgumentParser`.
    """

    def __init__(self, prog: str, advice: str, **more: Any) -> None:
        super().__init__(prog=prog, allow_abbrev=False, **more)
        self.advice = advice

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog.removeprefix('anime-gen ')}: {message}; {self.advice}")
