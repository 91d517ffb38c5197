"""`anime-gen dashboard [FOLDER] [options of TensorBoard]`: TensorBoard over all runs in a folder, kept up to date."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from anime_gen.contract import UserError
from anime_gen.reports.dashboard import Dashboard

# Between two looks at the runs.
SECONDS = 20.0


def main(verb: str, arguments: list[str]) -> None:
    """Serves a copy of the runs (see `reports.dashboard`) in a temporary folder until TensorBoard is ended.

    Raises:
        UserError: no runs, or TensorBoard could not start.
    """
    parser = argparse.ArgumentParser(prog="anime-gen dashboard", description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs="?", type=Path, default=Path("runs"), help="folder of runs (default: runs)")
    options, rest = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory(prefix="anime_gen_dashboard_") as folder:
        board = Dashboard(options.runs, Path(folder))
        board.sync()
        if not board.copies:
            raise UserError(f"dashboard: there is no run in {options.runs}; make experiment MODEL=diffusion makes one")
        print(f"{len(board.copies)} runs of {options.runs}; new points every {SECONDS:.0f} s; Ctrl-C ends it")
        # All grids of a run, not ten of them.
        words = ["--logdir", folder, "--window_title", "anime_gen", "--samples_per_plugin", "images=1000,text=100"]
        # SIGTERM ends this process as Ctrl-C does, so that the server and the folder do not outlive it.
        handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
        server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *words, *rest])
        try:
            while server.poll() is None:
                try:
                    server.wait(SECONDS)
                except subprocess.TimeoutExpired:
                    board.sync()
        finally:
            server.terminate()
            server.wait()
            board.close()
            signal.signal(signal.SIGTERM, handler)
        if server.returncode:
            raise UserError("dashboard: TensorBoard could not go on (it said why); --port=6007 takes another port")
