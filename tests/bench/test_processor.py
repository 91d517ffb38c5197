"""One processor as another."""

import os
import subprocess
import sys

import pytest

from anime_gen.bench import processor
from anime_gen.contract import UserError

TELL = """
import torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(torch.backends.cpu.get_cpu_capability(), *(name for name in __cpu_dispatch__ if __cpu_features__.get(name)))
"""


@pytest.mark.parametrize(
    ("name", "capability", "gone"), [("avx2", "AVX2", "AVX512"), ("avx", "DEFAULT", "AVX2"), ("sse", "DEFAULT", "AVX")]
)
def test_libraries_do_without(name, capability, gone):
    try:
        processor.environment(name)
    except UserError as reason:
        pytest.skip(str(reason))
    command = [sys.executable, "-m", "anime_gen.bench.processor", name, sys.executable, "-c", TELL]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
    found, *features = done.stdout.split()
    assert found in (capability, "DEFAULT")
    assert not [feature for feature in features if feature.startswith(gone)]


def test_no_such_processor():
    with pytest.raises(UserError, match="avx2, avx, sse"):
        processor.environment("mmx")


def test_other_machines_have_no_switches(monkeypatch):
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    with pytest.raises(UserError, match="arm64"):
        processor.environment("sse")
