"""Makes this processor act as a smaller one: `python -m anime_gen.bench.processor avx2 COMMAND...`.

Each library picks its code by what the processor can do, and has a switch of its own for the most it may use. They are
read when a library is loaded, so the command is a new process. No switch adds what a processor lacks, and skia and
OpenCV have none.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

from anime_gen.contract import UserError

# What a processor of the name does not have, as NumPy's dispatcher calls it.
LACKS: Mapping[str, tuple[str, ...]] = {
    "avx2": ("AVX512", "X86_V4"),
    "avx": ("AVX512", "X86_V4", "AVX2", "FMA3", "X86_V3"),
    "sse": ("AVX512", "X86_V4", "AVX2", "FMA3", "X86_V3", "AVX"),
}

# oneDNN's convolutions; ATen's own loops; MKL's matrix products.
SWITCHES: Mapping[str, Mapping[str, str]] = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "avx": {
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "AVX",
    },
    "sse": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        # glibc's exp, log, sin ... have a path with and one without multiply-and-add.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX",
    },
}


def environment(name: str) -> dict[str, str]:
    """The variables that make a process act as the processor of this name: "avx2", "avx" or "sse".

    Raises:
        UserError: there is no such name, or this is not an x86 processor.
    """
    if name not in SWITCHES:
        raise UserError(f"there is no processor {name!r}; it is one of {', '.join(SWITCHES)}")
    if platform.machine() not in ("x86_64", "AMD64"):
        raise UserError(
            f"a {platform.machine()} processor cannot act as {name}: only those of x86-64 have the switches"
        )
    return {**SWITCHES[name], "NPY_DISABLE_CPU_FEATURES": " ".join(_numpy_features(name))}


def _numpy_features(name: str) -> list[str]:
    """NumPy refuses to do without what it was built for, or what is not there."""
    # numpy._core has no public page that names them.
    from numpy._core import _multiarray_umath as umath  # type: ignore[attr-defined]

    return [
        feature
        for feature in umath.__cpu_dispatch__
        if umath.__cpu_features__.get(feature)
        and feature.startswith(LACKS[name])
        and feature not in umath.__cpu_baseline__
    ]


def main(arguments: list[str]) -> None:
    """Becomes the command."""
    if len(arguments) < 2:
        raise UserError("usage: python -m anime_gen.bench.processor avx2|avx|sse COMMAND...")
    name, *command = arguments
    os.execvpe(command[0], command, {**os.environ, **environment(name)})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UserError, OSError) as error:
        sys.exit(f"{error}")
