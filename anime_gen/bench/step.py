"""make step-bench: how fast a family trains here, how much of this machine that is, and where the time goes.

The arithmetic of every step is counted, a lazy regulariser's as often as it has its turn. The peak is what a large
product of matrices reaches in the same precision on the same threads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from anime_gen.bench.training import Cost, cost, peak
from anime_gen.callbacks.scoring import device_name
from anime_gen.cli.machine import fastest_precision
from anime_gen.contract import UserError


def told(found: Cost, fastest: float) -> str:
    """As a person reads it.

    Args:
        found: of a family.
        fastest: 10^9 multiply-adds a second that this machine can do.
    """
    lines = [
        f"{found.precision}: {found.images_per_second:.0f} images/s in batches of {found.batch_size}, "
        f"{found.gmacs_per_second:.1f} G multiply-adds/s, {found.gmacs_per_second / fastest:.0%} of the "
        f"{fastest:.1f} G/s of a product of matrices; {found.memory_gib:.1f} GiB at most"
    ]
    return "\n".join([*lines, *(f"  {share:6.1%}  {name}" for name, share in found.costliest)])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m anime_gen.bench.step",
        description=__doc__,
        epilog="Keys may follow: --data.image_size=64 ...",
        allow_abbrev=False,
    )
    parser.add_argument("family", type=Path, help="such as experiments/family/diffusion.yaml")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--seconds", type=float, default=10.0, help="to take the time for, in each precision (10)")
    options, keys = parser.parse_known_args(arguments)
    if not options.family.is_file():
        raise UserError(f"step-bench: there is no file {options.family}; the families lie in experiments/family/")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    words = ["-c", "experiments/shared.yaml", "-c", str(options.family), *keys]
    figures = []
    print(
        f"{options.family.stem} on {device_name(device)}, {torch.get_num_threads()} threads, "
        f"as {torch.backends.cpu.get_cpu_capability()}"
    )
    for precision in dict.fromkeys(("32-true", fastest_precision("auto"))):
        found, fastest = (
            cost([*words, f"--trainer.precision={precision}"], options.seconds, profiled=True),
            peak(precision, device),
        )
        print(told(found, fastest), flush=True)
        figures.append({**found._asdict(), "peak_gmacs_per_second": fastest})
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
