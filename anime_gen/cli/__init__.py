"""The command `anime-gen`. This page imports nothing heavy: `--help` answers at once, verbs load what they need.

What `--help` prints was written down by `make help-pages`: asking a parser would take the seconds that its classes need
to be imported. A test holds the pages to the parsers.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Verb(NamedTuple):
    """Where a verb lives (`module:function`, called with the rest of the command line) and what it is for."""

    where: str
    purpose: str


VERBS = {
    "fit": Verb("anime_gen.cli.train:main", "train a family, score it, keep everything in a run folder"),
    "resume": Verb("anime_gen.cli.resume:main", "RUN: go on where a run stopped"),
    "validate": Verb("anime_gen.cli.train:main", "score a run on the validation pictures"),
    "test": Verb("anime_gen.cli.train:main", "score a run on the test pictures"),
    "predict": Verb("anime_gen.cli.train:main", "one sample for each test condition, as PNG files"),
    "show": Verb("anime_gen.cli.show:main", "RUN: what it has scored, in five lines or --all"),
    "sample": Verb("anime_gen.cli.sample:main", "RUN: draw faces with given tags, landmarks and seeds"),
    "translate": Verb(
        "anime_gen.cli.translate:main", "RUN [PHOTO...]: photos to anime faces, by a run that translates"
    ),
    "studio": Verb("anime_gen.cli.studio:main", "RUN...: a page where anybody asks for faces, draws, compares"),
    "votes": Verb("anime_gen.cli.votes:main", "FILE: what people have voted for in the studio, blind"),
    "compare": Verb("anime_gen.cli.compare:main", "RUN...: families side by side in one table, with figures"),
    "tradeoff": Verb("anime_gen.cli.tradeoff:main", "RUN: score it at several values of a setting of its sampler"),
    "study": Verb("anime_gen.cli.study:main", "FILE: train what an experiment file lists, then compare it"),
    "dashboard": Verb("anime_gen.cli.dashboard:main", "TensorBoard over all runs, laid over each other"),
    "score": Verb("anime_gen.cli.score:main", "--real DIR --fake DIR: compare any two folders of pictures"),
    "examine": Verb("anime_gen.cli.examine:main", "[DIR]: which disturbances of pictures which scores see"),
    "judge": Verb("anime_gen.cli.judge:main", "fit DIR: train a judge of your own pictures, and examine it"),
    "prepare": Verb("anime_gen.cli.prepare:main", "RAW --out DIR: from a heap of illustrations to a training set"),
    "shards": Verb("anime_gen.cli.shards:main", "DATA --out DIR: a folder of pictures as shards, which are streamed"),
    "card": Verb("anime_gen.cli.card:main", "DATA: what a data set holds, as a page with figures"),
    "tagger": Verb("anime_gen.cli.tagger:main", "fit|doubts|complete: labels out of pictures, and which are wrong"),
    "tag": Verb("anime_gen.cli.tag:main", "DIR: write its manifest.csv with a tagger"),
    "doctor": Verb(
        "anime_gen.cli.doctor:main", "[DATA]: is everything here that runs need? what is missing, and how to mend it"
    ),
    "describe": Verb("anime_gen.cli.describe:main", "FAMILY.yaml: networks, parameters, cost and memory, untrained"),
}

# One page for all of Lightning's verbs: they take the same keys.
LIGHTNING = ("fit", "validate", "test", "predict")

# A disk that is full, read-only or another's, and a file in a folder's place: nothing that code can mend.
OF_THE_DISK = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EIO
})  # fmt: skip

FAMILIES = Path(__file__).resolve().parent.parent / "families"
PAGES = Path(__file__).resolve().parent / "help"


def verbs_of(page: Path) -> dict[str, Verb]:
    """The VERBS of a page `verbs.py`: name -> (where, purpose).

    It is loaded by its path: an import by name would load its whole family first, and torch with it.
    """
    verbs = ModuleType("verbs")
    SourceFileLoader(verbs.__name__, str(page)).exec_module(verbs)
    return {name: Verb(*verb) for name, verb in verbs.VERBS.items()}


def family_verbs() -> dict[str, Verb]:
    """What only one family can do, by the page `verbs.py` that its folder may have."""
    found: dict[str, Verb] = {}
    for page in sorted(FAMILIES.glob("*/verbs.py")):
        found |= verbs_of(page)
    return found


def every_verb() -> dict[str, Verb]:
    """The suite's, and those of families, which one page calls."""
    return VERBS | {name: Verb("anime_gen.cli.family:main", verb.purpose) for name, verb in family_verbs().items()}


HELP = """usage: anime-gen VERB [options]      anime-gen VERB --help for one verb's options

Compares families of generative models on anime faces, on equal terms.

{verbs}

To begin:
  make experiment MODEL=diffusion            paints its data, trains about ten minutes on a laptop, scores
  anime-gen sample runs/diffusion/NAME --tags "blue hair, smile" --out grid.png

fit, validate, test and predict are Lightning's own commands; settings come from YAML files and keys:
  anime-gen fit --config experiments/shared.yaml --config experiments/family/dcgan.yaml --data.image_size=64
"""


def help_page(name: str, arguments: list[str]) -> str | None:
    """What `--help` prints, where it is asked for; None behind a run of `sample`, which shows that run's values."""
    if not {"-h", "--help"} & set(arguments):
        return None
    action = "" if arguments[0].startswith("-") else arguments[0]
    if name == "sample" and action:
        return None
    path = PAGES / f"{'fit' if name in LIGHTNING else f'{name}-{action}' if name == 'tagger' and action else name}.txt"
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb. A mistake of the user's is one line on stderr and exit status 2."""
    if sys.platform == "win32":
        return fail("Windows is not supported: run it in WSL (`wsl --install`), where it is Linux")
    # OpenMP's threads wait for each other in a busy loop. A long one costs half the speed where the machine does
    # something else beside; a short one costs nothing where it does not.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files are bytes, and need not be text
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verbs = every_verb()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP.format(verbs="\n".join(f"  {name:<12}{verb.purpose}" for name, verb in verbs.items())))
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"anime-gen {version('anime_gen')}")
        return 0
    name = arguments.pop(0)
    if name not in verbs:
        import difflib

        near = difflib.get_close_matches(name, verbs, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(verbs)}"
        return fail(f"there is no verb {name!r}; {hint}")
    page = help_page(name, arguments)
    if page is not None:
        print(page, end="")
        return 0
    return run(name, verbs[name], arguments)


def run(name: str, verb: Verb, arguments: list[str]) -> int:
    """Calls a verb's function, and turns what goes wrong into an exit status."""
    module, function = verb.where.split(":")
    try:
        getattr(importlib.import_module(module), function)(name, arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Of `anime-gen ... | head`: nobody reads on, and what is still buffered must not complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as stop:
        # Lightning's way to end at a Ctrl-C.
        if isinstance(stop.__context__, KeyboardInterrupt):
            return 130
        raise
    except Exception as error:
        reason = mistake(error)
        if reason is None:
            from anime_gen.callbacks.ranks import is_lost

            if rank() and is_lost(error):
                return 2  # the rank that has failed says why
            raise
        return fail(str(reason))
    return 0


def mistake(error: BaseException) -> BaseException | None:
    """The user's mistake behind an exception: a constructor's complaint arrives wrapped in those of the parser."""
    from anime_gen.contract import UserError

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserError):
        cause = cause.__cause__ or cause.__context__
    if cause is None and isinstance(error, OSError) and error.errno in OF_THE_DISK:
        place = f"{error.filename}: " if error.filename else ""
        return UserError(f"{place}{error.strerror}: mend that, or name another place, and start again")
    if cause is None and out_of_memory(error):
        return UserError(f"out of memory: make data.batch_size, data.image_size or a width smaller ({said(error)})")
    return cause


def out_of_memory(error: BaseException) -> bool:
    """Whether there was no room for an array; torch says so on a processor by words alone."""
    words = re.compile("allocate memory|out of memory|Storage size calculation overflowed")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(words.search(str(error))))


def said(error: BaseException) -> str:
    """The first line of what an error says, without what stands before torch's."""
    return (str(error).splitlines() or [type(error).__name__])[0].rpartition("] ")[2]


def fail(message: str) -> int:
    """Prints one line on stderr, not one for each rank; returns the exit status 2."""
    if rank() == 0:
        print(f"anime-gen: {plain(message)}", file=sys.stderr)
    return 2


def plain(message: str) -> str:
    """A message without what a terminal would obey (a file's name may hold it), and without hundreds of digits."""
    shown = "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in message)
    return re.sub(r"(\d{12})\d{28,}", r"\1...", shown)


def rank() -> int:
    """Which of several processes this is, before there is a trainer to ask: torchrun, Lightning and Slurm tell."""
    told = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return int(next(filter(None, told), 0))
