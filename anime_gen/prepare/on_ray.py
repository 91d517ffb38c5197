"""The same work on a cluster: a Ray Data pipeline whose actors hold the detector and all else that is opened once.

Raw pictures and prepared ones lie where every node sees them, on a shared disk or a mounted bucket. What becomes of
each picture is one function of it, so the output is the local run's, byte for byte, in whatever order it comes.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

from anime_gen.contract import UserError
from anime_gen.data.listing import File
from anime_gen.prepare.picture import Outcome, Work, look

# Pictures of one task: enough that its cost is not the talk about it.
_TOGETHER = 8


class Looker:
    """An actor: one process, somewhere in the cluster."""

    def __init__(self, work: Work) -> None:
        import cv2
        import torch

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        self.work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        return {"outcome": json.dumps(look(self.work, File(*json.loads(row["raw"]))).as_json())}


def looked_at(work: Work, raws: list[File], address: str, actors: int | None = None) -> Iterator[Outcome]:
    """What becomes of each picture, as they come.

    Args:
        work: what every actor needs. One whose models run on a GPU gets a whole one.
        raws: the pictures.
        address: of the cluster; `auto` for the one that this machine belongs to, `local` for this machine alone.
        actors: how many; None for one for each core (or GPU) of the cluster.

    Raises:
        UserError: Ray is not installed, there is no such cluster, or it gave up.
    """
    try:
        import ray
        import ray.data
        from ray.exceptions import RayError
    except ImportError as error:
        raise UserError("--ray wants Ray: pip install anime_gen[ray]") from error
    on_gpu = any(getattr(part, "device", "cpu") != "cpu" for part in (work.detector, work.landmarks, work.tagging))
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    try:
        if colon:
            # Ray itself waits minutes for nobody.
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"--ray {address}: {' '.join(str(error).split())[:200]}") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        have = ray.cluster_resources()
        most = max(1, int(have.get("GPU", 0) if on_gpu else have.get("CPU", 1)))
        count = min(actors or most, most, len(raws))
        rows = ray.data.from_items(
            [{"raw": json.dumps(raw)} for raw in raws], override_num_blocks=-(-len(raws) // _TOGETHER)
        )
        told = rows.map(
            Looker, fn_constructor_args=(work,), concurrency=count, num_cpus=1, num_gpus=1 if on_gpu else None
        )
        for row in told.iter_rows():
            yield Outcome.from_json(json.loads(row["outcome"]))
    except RayError as error:
        raise UserError(
            f"--ray {address}: {' '.join(str(error).split())[:200]}; the same command goes on from here"
        ) from error
    finally:
        ray.shutdown()
