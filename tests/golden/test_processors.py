"""What a seed gives does not depend on the processor: the same tests in processes that act as smaller ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anime_gen.bench.processor import environment
from anime_gen.contract import UserError

ROOT = Path(__file__).resolve().parent.parent.parent

# Of the suite, what says what a seed gives.
SAME = ("tests/golden/test_curves.py", "tests/test_noise.py")


@pytest.mark.slow
@pytest.mark.parametrize("processor", ["avx2", "avx", "sse"])
def test_every_family_means_the_same_on(processor):
    try:
        smaller = environment(processor)
    except UserError as reason:
        pytest.skip(str(reason))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SAME],
        cwd=ROOT,
        env={**os.environ, **smaller},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
