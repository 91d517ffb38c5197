"""Makes this processor act as a smaller one: `python -m anime_gen.bench.processor avx2 COMMAND...`.

Each library picks its code by what the processor can do, and has a switch of its own for the most it may use. They are
read when a library is loaded, so the command is a new process. No switch adds what a processor lacks, and Skia has
none: painted pixels stay this processor's. Torch is loaded only to complain, or every command would begin late.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

# What a processor of the name does not have, as NumPy's dispatcher calls it.
LACKS: Mapping[str, tuple[str, ...]] = {
    "avx2": ("AVX512", "X86_V4"),
    "avx": ("AVX512", "X86_V4", "AVX2", "FMA3", "F16C", "X86_V3"),
    "sse": ("AVX512", "X86_V4", "AVX2", "FMA3", "F16C", "X86_V3", "AVX"),
}

# oneDNN's convolutions; ATen's own loops; MKL's matrix products, and OpenBLAS's, which NumPy and SciPy bring; OpenCV.
SWITCHES: Mapping[str, Mapping[str, str]] = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENCV_CPU_DISABLE": "AVX512F,AVX512-SKX,AVX512-ICL",
    },
    "avx": {
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",  # it has given up plain AVX: it would say so and take this
        "OPENBLAS_CORETYPE": "Sandybridge",
        "OPENCV_CPU_DISABLE": "AVX512F,AVX512-SKX,AVX512-ICL,AVX2,FMA3,FP16",
        # glibc's exp, log, sin ... have a path with and one without multiply-and-add.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
    },
    "sse": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
        "OPENCV_CPU_DISABLE": "AVX512F,AVX512-SKX,AVX512-ICL,AVX2,FMA3,FP16,AVX",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX",
    },
}


def environment(name: str) -> dict[str, str]:
    """The variables that make a process act as the processor of this name: "avx2", "avx" or "sse".

    They are the same whatever this process itself acts as.

    Raises:
        UserError: there is no such name, this is not an x86 processor, or it is a smaller one than that.
    """
    if name not in SWITCHES:
        raise _mistake(f"there is no processor {name!r}; it is one of {', '.join(SWITCHES)}")
    if platform.machine() not in ("x86_64", "AMD64"):
        raise _mistake(f"a {platform.machine()} processor cannot act as {name}: only those of x86-64 have the switches")
    features = _numpy_features()
    if name == "avx2" and not features & {"AVX2", "X86_V3"}:
        raise _mistake("this processor has no AVX2, and ATen would not look: take avx or sse")
    without = sorted(feature for feature in features if feature.startswith(LACKS[name]))
    return {**SWITCHES[name], "NPY_DISABLE_CPU_FEATURES": " ".join(without)}


def _numpy_features() -> set[str]:
    """What NumPy uses here beyond what it was built for, also where this process was told to do without.

    Its names differ between versions, and it complains of a name that it does not know or that is not there.
    """
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {*found, *os.environ.get("NPY_DISABLE_CPU_FEATURES", "").split()}


def _mistake(text: str) -> Exception:
    from anime_gen.contract import UserError

    return UserError(text)


def main(arguments: list[str]) -> None:
    """Becomes the command."""
    if len(arguments) < 2:
        raise _mistake("usage: python -m anime_gen.bench.processor avx2|avx|sse COMMAND...")
    name, *command = arguments
    os.execvpe(command[0], command, {**os.environ, **environment(name)})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
    except Exception as error:
        from anime_gen.contract import UserError

        if not isinstance(error, UserError):
            raise
        sys.exit(str(error))
