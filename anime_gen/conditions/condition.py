"""What a family may be told about each picture of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor


class Condition(Mapping[str, Tensor]):
    """Tensors by the names of their fields; row i of each is about picture i.

    `condition.tags_BT` is the tensor of a field, or None where nobody asked for it or the data has none; as a mapping
    it holds those there are. (Lightning and DataLoaders move and convert mappings.) The fields there are, their types
    and what "not given" is in each: the pages beside this one. "Not given" is never zero where zero says something: it
    is NaN in floats and -1 in classes.

    Raises:
        TypeError: no page has such a field.
    """

    __slots__ = ("_parts",)

    # The names of all fields; the package fills it in when it has read its pages.
    known: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Tensor] | None = None, /, **named: Tensor | None) -> None:
        self._parts = {name: part for name, part in {**(parts or {}), **named}.items() if part is not None}
        if unknown := self._parts.keys() - set(self.known):
            raise TypeError(f"a Condition has no field {', '.join(sorted(unknown))}; it has {', '.join(self.known)}")

    def __getattr__(self, name: str) -> Tensor | None:
        if name in Condition.known:
            return self._parts.get(name)
        raise AttributeError(name)

    def __getitem__(self, name: str) -> Tensor:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        return f"Condition({', '.join(f'{name}={part}' for name, part in self.items())})"

    def replace(self, **named: Tensor | None) -> Condition:
        """The same with other parts; None takes one out."""
        return Condition(**{**self._parts, **named})

    def only(self, fields: Iterable[str]) -> Condition:
        """The parts of some fields."""
        return Condition(**{name: getattr(self, name) for name in fields})

    def map(self, change: Callable[[Tensor], Tensor]) -> Condition:
        """Applies `change` to every part there is."""
        return Condition({name: change(part) for name, part in self.items()})

    def rows(self, key: Any) -> Condition:
        """The condition of some rows: `key` is a slice, an index tensor or a mask over B."""
        return self.map(lambda part: part[key])

    def repeated(self, count: int) -> Condition:
        """Its one row, `count` times."""
        return self.map(lambda part: part.expand(count, *part.shape[1:]))


def joined(conditions: Iterable[Condition]) -> Condition:
    """The rows of several conditions of the same fields, one after the other."""
    some = list(conditions)
    return Condition({name: torch.cat([one[name] for one in some]) for name in (some[0] if some else ())})
