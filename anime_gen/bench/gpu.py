"""make gpu-bench: what one card does with the suite, in at most eight minutes and without a network.

    python -m anime_gen.bench.gpu --out runs/gpu-bench         # --toy: at the size of a test, on any machine

Every family in bfloat16 at 64 px; the diffusion default for a minute, with its grid and scores; loader against trainer;
sampling and scoring; and for the families named as --deeper 128 px, float32, the largest batch and compiled networks.
After each part <out>/gpu-bench.json and <out>/gpu-bench.md are written anew, so that a cut loses nothing; what fails or
does not fit into the time is named there, and the rest goes on.

On a machine that is lent for minutes and has no network, carry the packages that it lacks as wheels in a folder that
git ignores (jsonargparse with its two, and Skia, are the ones that images with torch and lightning usually lack; Skia
wants the system's libEGL and libGL):

    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \\
        --platform manylinux2014_x86_64 -d runs/wheels jsonargparse docstring-parser typeshed-client \\
        importlib-resources skia-python
    python -m pip install -q --no-index --no-deps --target runs/site runs/wheels/*.whl && \\
        PYTHONPATH=runs/site:. python -m anime_gen.bench.gpu --out runs/gpu-bench

This page imports little: what is missing is said in one line.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from anime_gen.bench.journal import Journal

FAMILIES = Path("experiments/family")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 also where a part has failed, for the rest is there."""
    parser = argparse.ArgumentParser(prog="python -m anime_gen.bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-bench"), help="folder for the results")
    parser.add_argument("--minutes", type=float, default=7.8, help="when to be done, from the start (7.8)")
    parser.add_argument("--toy", action="store_true", help="everything at the size of a test")
    names = [path.stem for path in sorted(FAMILIES.glob("*.yaml"))]
    # What looks for the styles of another run has none here.
    alone = [name for name in names if "style: null" not in (FAMILIES / f"{name}.yaml").read_text(encoding="utf-8")]
    parser.add_argument(
        "--families",
        nargs="*",
        default=alone,
        metavar="NAME",
        help="of experiments/family (all that need no other run)",
    )
    parser.add_argument("--deeper", nargs="*", default=["diffusion", "stylegan2"], metavar="NAME", help="looked into")
    parser.add_argument("--learn", default="diffusion", metavar="NAME", help="trained for a minute (diffusion)")
    options = parser.parse_args(arguments)
    if unknown := {*options.families, *options.deeper, options.learn} - {*names}:
        print(f"gpu-bench: there is no {', '.join(sorted(unknown))} in {FAMILIES}", file=sys.stderr)
        return 2
    # As the command line does: threads that wait are not to take the cores of those that work.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        from anime_gen.bench import gpu_parts, gpu_table
    except ImportError as missing:
        what = f"the package {missing.name}" if isinstance(missing, ModuleNotFoundError) else str(missing)
        print(f"gpu-bench: {what} is missing: install it, or carry its wheel (see {__file__})", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    scale = gpu_parts.TOY if options.toy else gpu_parts.CARD
    families, deeper = ([FAMILIES / f"{name}.yaml" for name in asked] for asked in (options.families, options.deeper))
    parts = gpu_parts.parts(scale, families, deeper, FAMILIES / f"{options.learn}.yaml", options.out)
    journal = Journal(options.out / "gpu-bench", gpu_parts.machine(), gpu_table.markdown)
    journal.run(parts, 60 * options.minutes)
    print(gpu_table.markdown(journal.found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
