"""Run by the Python of an environment that has mmpose: a model's config, its checkpoint and a device as arguments.

It imports nothing of ours. A question is a line of JSON. An empty one is answered with what the model is; one with
`width`, `height` and `box` (left, top, right, bottom) is followed by the RGB bytes of a picture, and answered with
`points`: x, y and confidence of each. Any answer may be an `error` instead. Places are mmpose's own: 0, 0 is the middle
of the first pixel.
"""

import difflib
import hashlib
import json
import os
import re
import sys
import types
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch


class Refused(Exception):
    """What a user can mend, in a line."""


class _NotCompiled(types.ModuleType):
    """In place of mmcv's compiled operations, of which there is no package for this Python: faces need none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*rest: Any, **more: Any) -> None:
            raise Refused(f"it needs {name}, which mmcv would have to compile")

        return refuse


def stand_in() -> None:
    """Puts in place what cannot be installed, before mmpose asks for it."""
    sys.modules["mmcv._ext"] = compiled = _NotCompiled("mmcv._ext")
    compiled.__spec__ = ModuleSpec("mmcv._ext", None)  # without a loader: mmengine asks that way whether it is there
    import pycocotools.coco
    import pycocotools.cocoeval
    import pycocotools.mask

    # xtcocotools is a fork of it that does not install. It reads data sets, which is not done here.
    sys.modules["xtcocotools"] = pycocotools
    for part in ("coco", "cocoeval", "mask"):
        sys.modules[f"xtcocotools.{part}"] = getattr(pycocotools, part)


def config_at(name: str) -> Path:
    """A file, else the one of mmpose's own configs that is called so."""
    import mmpose

    path = Path(name).expanduser()
    if path.is_file():
        return path
    every = sorted((Path(mmpose.__file__).parent / ".mim" / "configs").rglob("*.py"))
    coming = {file.stem: file for file in every if "_base_" not in file.parts}
    stem = path.name.removesuffix(".py")
    if stem not in coming:
        near = difflib.get_close_matches(stem, coming, n=2)
        raise Refused(
            f"there is no file {name}, and mmpose has no config of that name; "
            + (f"near: {', '.join(near)}" if near else "give a file")
        )
    return coming[stem]


_LOSSES = ("mmengine.logging.history_buffer.HistoryBuffer", "builtins.getattr")


class _Left:
    """In place of what a checkpoint tells of losses, and of the functions that it says are to be applied to them."""

    def __init__(self, *rest: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def weights_of(name: str) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint. It may be a stranger's: no code in it is run."""
    from numpy._core.multiarray import _reconstruct, scalar
    from safetensors.torch import load_file

    # mmengine's training writes what it knows of the data beside the weights, in arrays of numpy, of older ones, too.
    numbers = [type(np.dtype(kind)) for kind in ("bool", "i4", "i8", "u1", "f4", "f8")]
    harmless: list[Any] = [_reconstruct, scalar, np.ndarray, np.dtype, bytes, *numbers]
    harmless += [(kind, f"numpy.core.multiarray.{kind.__name__}") for kind in (_reconstruct, scalar)]
    harmless += [(_Left, name) for name in _LOSSES]
    try:
        if name.endswith(".safetensors"):
            return load_file(name)
        with torch.serialization.safe_globals(harmless):
            loaded = torch.load(name, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of another form leads it to
        if other := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise Refused(
                f"{name} holds more than weights ({other[1]}), and opening that may run code: have its maker save the "
                "weights alone, torch.save({'state_dict': model.state_dict()}, ...)"
            ) from error
        why = f" ({error.strerror})" if isinstance(error, OSError) else ""
        raise Refused(f"{name} is no checkpoint that PyTorch or safetensors wrote{why}") from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise Refused(f"{name} holds no weights")
    return state


def in_a_line(error: BaseException) -> str:
    text = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
    text = " ".join(text.split())
    return text if len(text) <= 400 else f"{text[:400]} ..."


class Model:
    """A top-down model and its weights."""

    def __init__(self, config: str, checkpoint: str, device: str) -> None:
        stand_in()
        from mmengine.config import Config
        from mmpose.apis import init_model

        path = config_at(config)
        try:
            settings = Config.fromfile(path)
            written = json.dumps(settings.to_dict(), sort_keys=True, default=str)
            self._model = init_model(settings, None, device)
        except (Exception, SystemExit) as error:  # a config is a program
            raise Refused(f"{config} makes no model on {device} ({in_a_line(error)})") from error
        self.digest = hashlib.sha256(written.encode()).hexdigest()
        try:
            self._model.load_state_dict(weights_of(checkpoint))
        except RuntimeError as error:
            raise Refused(f"{checkpoint} does not fit {config} ({in_a_line(error)})") from error
        try:
            self.count = len(self.points(np.zeros((64, 64, 3), np.uint8), [0, 0, 64, 64]))
        except Exception as error:
            raise Refused(f"{config} is no top-down model ({in_a_line(error)})") from error

    @property
    def names(self) -> list[str]:
        """Of the points, as the config's data set has them."""
        named = self._model.dataset_meta["keypoint_id2name"]
        return [named[number] for number in sorted(named)]

    def points(self, picture: np.ndarray, box: list[float]) -> list[list[float]]:
        """x, y and confidence of each point.

        Args:
            picture: uint8 (height, width, 3), RGB.
            box: left, top, right, bottom.
        """
        from mmpose.apis import inference_topdown

        (sample,) = inference_topdown(self._model, picture[..., ::-1].copy(), np.array([box], np.float32))  # BGR
        found = sample.pred_instances
        places = np.concatenate([found.keypoints[0], found.keypoint_scores[0][:, None]], 1)
        if not np.isfinite(places).all():
            raise Refused("its weights tell no numbers")
        return places.tolist()


def main() -> None:
    # What mmpose prints is none of our answers.
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")
    # One thread: there are others like this one.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    try:
        model = Model(*sys.argv[1:])
    except Exception as error:
        say({"error": in_a_line(error)})
        return
    while line := questions.readline():
        asked = json.loads(line)
        if not asked:
            say({"points": model.count, "names": model.names, "config": model.digest})
            continue
        pixels = questions.read(3 * asked["width"] * asked["height"])
        picture = np.frombuffer(pixels, np.uint8).reshape(asked["height"], asked["width"], 3)
        try:
            say({"points": model.points(picture, asked["box"])})
        except Exception as error:
            say({"error": in_a_line(error)})


if __name__ == "__main__":
    main()
