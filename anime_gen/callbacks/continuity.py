"""What a run that goes on must find as it left it: the painter of its pictures, and the judge of its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, measure
from anime_gen.run.folder import RunFolder

# Where a protocol's `data` says by which version its pictures are drawn.
_PAINTERS = (("source", "painter"), ("other_domain", "painter"), ("other_domain", "natural"))


def check_painter(records: Sequence[Record], data: Mapping[str, Any], run: RunFolder) -> None:
    """Refuses to train on with pictures that another version of the painter draws.

    Args:
        records: of the run so far, oldest first.
        data: what a protocol would say of the pictures now.
        run: whose.

    Raises:
        UserError: the painter is another one.
    """
    earlier = next((record.protocol["data"] for record in reversed(records) if "data" in record.protocol), data)
    for place, painter in _PAINTERS:
        before, now = (told.get(place, {}).get(painter) for told in (earlier, data))
        if before != now:
            raise UserError(
                f"{run.path} cannot go on: its pictures were drawn by version {before} of the painter, and this is "
                f"version {now}, which draws others. It samples, translates, exports and compares as ever. To train it "
                f"on, take the version of the suite that made it{_commit(run)}; or begin a new run"
            )


def _commit(run: RunFolder) -> str:
    """Where that version is found, if the run knows."""
    commits = [sitting.get("git", {}).get("commit") for sitting in run.sittings()[:1]]
    return f" (git checkout {commits[0][:12]})" if any(commits) else ""


def incomparable(records: Sequence[Record], name: str) -> list[int]:
    """After how many images a score was taken otherwise than at the latest scoring: by another judge, say.

    Args:
        records: of the run, oldest first.
        name: of the score.
    """
    scored = [record for record in records if record.name == name]
    return [record.nimg for record in scored if measure(record.protocol) != measure(scored[-1].protocol)]
