"""Checkpoints of the ADA paper's public PyTorch code, read without running what is in them.

Such a file is a pickle of whole networks with their source code, which unpickling would execute. Here only tensors and
plain containers come to life; any other object becomes an inert record of what it was made from.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from anime_gen.contract import UserError


class Record:
    """An object that was not made: its class's name, the arguments it was to be made with, and its state."""

    # Pickles may make objects without calling their constructors.
    name = ""
    arguments: tuple[object, ...] = ()
    state: Any = None

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        self.state = state

    # Pickles fill lists and dictionaries of their own classes one by one.
    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        self.arguments = (*self.arguments, (key, value))


def _storage(data: bytes) -> torch.storage.TypedStorage:
    """A storage within the pickle is a file of torch's own: of that, too, tensors only."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


# All that is ever called. Each makes a tensor or a container, and looks at nothing but its arguments.
_SAFE: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
}


class _TensorsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        safe = _SAFE.get((module, name))
        return safe if safe is not None else type(name, (Record,), {"name": f"{module}.{name}"})


def read(file: BinaryIO) -> dict[str, Any]:
    """The networks of such a checkpoint by name (`G`, `D`, `G_ema` ...), as records.

    Raises:
        UserError: it is no pickle of a dictionary.
    """
    try:
        content = _TensorsOnly(file).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError) as reason:
        raise UserError(
            "import: this is no checkpoint of stylegan2-ada-pytorch (network-snapshot-*.pkl); give one of those"
        ) from reason
    if not isinstance(content, dict):
        raise UserError("import: the file holds no networks by name; give a network-snapshot-*.pkl")
    return content


def tensors(network: object) -> dict[str, Tensor]:
    """The parameters and buffers of a recorded network, by their dotted names.

    Raises:
        UserError: it is no network.
    """
    state = network.state if isinstance(network, Record) else None
    if isinstance(network, Record) and state is None:
        # Their classes are made by one function from a dictionary that holds, among others, the network's own.
        state = next((part["state"] for part in network.arguments if isinstance(part, dict) and "state" in part), None)
    if not isinstance(state, dict) or "_parameters" not in state:
        raise UserError("import: a network in the file has no tensors; give a network-snapshot-*.pkl")
    found: dict[str, Tensor] = {}
    for kind in ("_parameters", "_buffers"):
        found |= {
            name: value.detach() for name, value in state[kind].items() if isinstance(value, Tensor | nn.Parameter)
        }
    for name, part in state["_modules"].items():
        if part is not None:
            found |= {f"{name}.{inner}": value for inner, value in tensors(part).items()}
    return found


def networks(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of the averaged generator and of the discriminator of a file, under their names.

    Raises:
        UserError: there is no such file, or it has not both.
    """
    if not path.is_file():
        raise UserError(f"import: there is no file {path}")
    with path.open("rb") as file:
        content = read(file)
    if missing := {"G_ema", "D"} - set(content):
        raise UserError(f"import: {path} lacks {', '.join(sorted(missing))}; give a network-snapshot-*.pkl")
    return tensors(content["G_ema"]), tensors(content["D"])
