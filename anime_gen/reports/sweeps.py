"""One run scored at several values of a sampling setting: the records that `anime-gen tradeoff` leaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from anime_gen.metrics.protocol import Record

if TYPE_CHECKING:
    import pandas as pd


def varied(record: Record, key: str) -> Any:
    """The value of the setting that a record was scored at."""
    return record.protocol["system"]["varied"][key]


def table(records: Iterable[Record], key: str) -> pd.DataFrame:
    """One row a value, one column a score, in the order they were scored; scores that nobody asked for are left out."""
    import pandas as pd

    rows: dict[str, dict[str, float | None]] = {}
    for record in records:
        rows.setdefault(str(varied(record, key)), {})[record.name] = record.value
    frame = pd.DataFrame.from_dict(rows, orient="index").astype("float64").dropna(axis="columns", how="all")
    return frame.rename_axis(key)
