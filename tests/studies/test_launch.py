"""A run in a process of its own, and the signals that reach it."""

import os
import signal
import subprocess
import sys

import pytest

from anime_gen.studies.launch import passed_on


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_signals(number, ends):
    """SIGTERM is passed on; a Ctrl-C reaches the run from the terminal, and must not end the study before it."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        with passed_on(process) as came:
            os.kill(os.getpid(), number)
            if ends:
                assert process.wait(30) == -signal.SIGTERM
            else:
                assert process.poll() is None
        process.kill()
    assert came == [number]
