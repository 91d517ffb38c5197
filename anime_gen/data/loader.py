"""What the Trainer iterates over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from anime_gen.contract import Batch, UserError
from anime_gen.data.sampler import GlobalBatches, Shard


class Loader:
    """Whole batches in a fixed order.

    Not a `DataLoader` but around one, so that no trainer replaces its sampler. It has a (trivial) state because
    Lightning then knows that it can be resumed: the order depends on the module's count of images shown alone.
    """

    def __init__(self, dataset: Dataset[Batch], batches: GlobalBatches | Shard, workers: int) -> None:
        self.batches = batches
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=batches,  # type: ignore[arg-type]  # ranges are as good as lists of indices
            collate_fn=_whole,  # type: ignore[arg-type]  # what `__getitems__` returns, not a list
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            # A generator of its own: starting workers must not move the global one.
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        # Not a generator itself: workers start now, and the position is asked for.
        return _in_one_line(iter(self._loader))

    @property
    def _iterator(self) -> Any:
        # Lightning ends the workers through this attribute of a DataLoader; left to the garbage collector, each takes
        # seconds to go.
        return self._loader._iterator

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        self._loader._iterator = iterator

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def _in_one_line(batches: Iterator[Batch]) -> Iterator[Batch]:
    """What a worker says that the user can mend comes as the last line of a traceback."""
    try:
        yield from batches
    except UserError as error:
        name = f"{UserError.__module__}.{UserError.__qualname__}: "
        raise UserError(str(error).rstrip().rpartition(name)[2]) from error


def _whole(batch: Batch) -> Batch:
    """The data set made the batch already."""
    return batch
