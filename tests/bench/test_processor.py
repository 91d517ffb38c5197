"""One processor as another: every library that has a switch is heard to obey it."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anime_gen.bench import processor
from anime_gen.contract import UserError

x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="no x86 processor")

TELL = """
import cv2, numpy, torch
torch.nn.functional.conv2d(torch.ones(8, 16, 32, 32), torch.ones(8, 16, 3, 3))  # oneDNN speaks when it is first used
print("aten", torch.backends.cpu.get_cpu_capability())
print("numpy", *numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
print("opencv", cv2.checkHardwareSupport(10), cv2.checkHardwareSupport(11))  # CPU_AVX, CPU_AVX2
"""


def said(command: list[str], variables: dict[str, str]) -> str:
    talkative = {"PYTHONWARNINGS": "always::ImportWarning", "ONEDNN_VERBOSE": "1", "OPENBLAS_VERBOSE": "2"}
    done = subprocess.run(command, env=os.environ | talkative | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@x86
@pytest.mark.parametrize("name", processor.SWITCHES)
def test_libraries_obey(name):
    try:
        processor.environment(name)
    except UserError as reason:  # this processor is smaller than avx2
        pytest.skip(str(reason))
    heard = said([sys.executable, "-m", "anime_gen.bench.processor", name, sys.executable, "-c", TELL], {})
    isa = re.search("cpu,isa:(.*)", heard)[1]
    assert isa == {"avx2": "Intel AVX2", "avx": "Intel AVX", "sse": "Intel SSE4.1"}[name]
    assert f"aten {'AVX2' if name == 'avx2' else 'DEFAULT'}" in heard
    numpy = re.search("^numpy(.*)", heard, re.M)[1]
    assert not re.search("AVX512|X86_V4" if name == "avx2" else "AVX512|X86_V|AVX2|FMA3", numpy)
    assert "disable CPU feature" not in heard, "NumPy complains of a name that switches nothing"
    assert f"opencv {name != 'sse'} {name == 'avx2'}" in heard
    if "Core: " in heard:  # a NumPy of a wheel, with OpenBLAS
        assert f"Core: {processor.SWITCHES[name]['OPENBLAS_CORETYPE']}" in heard


@x86
@pytest.mark.parametrize("name", ["avx", "sse"])
def test_libm_obeys(name):
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    if not loader.exists():
        pytest.skip("no glibc")
    done = subprocess.run(
        [str(loader), "--list-diagnostics"], env=processor.environment(name), capture_output=True, text=True
    )
    active = re.search(r"features\[0x1\]\.active\[0x1\]=0x(\w+)", done.stdout)
    if active is None:
        pytest.skip("a glibc that does not say what it uses")
    assert not int(active[1], 16) & 1 << 5, "AVX2"


@x86
def test_what_a_process_acts_as_does_not_matter():
    """`make test PROCESSOR=sse` still compares the three."""
    ask = "from anime_gen.bench.processor import environment as e; print({name: e(name) for name in ('avx', 'sse')})"
    heard = said([sys.executable, "-m", "anime_gen.bench.processor", "sse", sys.executable, "-c", ask], {})
    assert str({name: processor.environment(name) for name in ("avx", "sse")}) in heard


def test_no_such_processor():
    with pytest.raises(UserError, match="avx2, avx, sse"):
        processor.environment("mmx")


def test_other_machines_have_no_switches(monkeypatch):
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    with pytest.raises(UserError, match="arm64"):
        processor.environment("sse")


def test_a_mistake_is_one_line():
    command = [sys.executable, "-m", "anime_gen.bench.processor", "mmx", "true"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode
    assert done.stderr == "there is no processor 'mmx'; it is one of avx2, avx, sse\n"
