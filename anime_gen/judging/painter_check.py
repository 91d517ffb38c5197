"""Does the painter pass for anime? `make painter-check` asks real pictures; exit status 1 if not.

(a) An anime face detector must find at least 0.8 times as many painted faces as real ones.
(b) On SqueezeNet features the painted faces must lie nearer to anime than photos do. The photos are greyscale, so the
    comparison is made once more with every set turned grey. This distance is no FID: other features, other numbers.
(c) Faces must be framed as they are in the sets that say where eyes are: what the middle 80 % of the painted faces are
    lies within what the middle 80 % of one of the sets are.
(d) Colours and edges beside those of the sets, and how many faces a second one core paints: to be looked at.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tabulate import tabulate
from torchvision.models import squeezenet1_1

from anime_gen import painter
from anime_gen.contract import UserError
from anime_gen.decode import read
from anime_gen.metrics.distances import frechet_distance, moments
from anime_gen.painter.drawing import geometry

Pictures = list[npt.NDArray[np.uint8]]  # RGB, any size

FACES_AT_LEAST = 0.80
DISTANCE_AT_MOST = 0.75  # "well below" the photos
SEED = 2026
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def painted(count: int, size: int, framing: painter.FramingName = "crops") -> Pictures:
    """The first faces of the check's own seed."""
    faces = (painter.sample_face(SEED, index, framing=framing) for index in range(count))
    return [painter.render(face, size) for face in faces]


def read_pictures(folder: Path, count: int) -> Pictures:
    """`count` pictures spread evenly over a folder, in name order."""
    paths = sorted(folder.glob("*.jpg")) + sorted(folder.glob("*.png"))
    chosen = [paths[len(paths) * i // count] for i in range(count)] if len(paths) >= count else paths
    return [read(path).copy() for path in chosen]


def share_found(pictures: Pictures, cascade_file: Path) -> float:
    """The share of pictures in which the cascade finds a face."""
    import cv2

    cascade = cv2.CascadeClassifier(str(cascade_file))
    found = 0
    for picture in pictures:
        grey = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        found += len(cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(24, 24))) > 0
    return found / len(pictures)


def squeezenet_features(pictures: Pictures, weights: Path, grey: bool = False) -> npt.NDArray[np.float64]:
    """Global average of SqueezeNet 1.1's last feature map at 128 px: (pictures, 512)."""
    from safetensors.torch import load_file

    network = squeezenet1_1().features.eval()
    state = {name.removeprefix("features."): value for name, value in load_file(weights).items()}
    network.load_state_dict(state)
    mean = torch.tensor(CAFFE_MEAN_BGR)[:, None, None]
    rows = []
    with torch.no_grad():
        for start in range(0, len(pictures), 25):
            rgb_BCHW = torch.cat([_resized(picture, 128) for picture in pictures[start : start + 25]])
            if grey:
                luma = rgb_BCHW * torch.tensor([0.299, 0.587, 0.114])[:, None, None]
                rgb_BCHW = luma.sum(1, keepdim=True).expand(-1, 3, -1, -1)
            rows.append(network(rgb_BCHW.flip(1) - mean).mean((2, 3)))
    return torch.cat(rows).double().numpy()


def _resized(picture: npt.NDArray[np.uint8], size: int) -> torch.Tensor:
    """The picture in 0..255, (1, 3, size, size)."""
    rgb_1CHW = torch.from_numpy(picture).permute(2, 0, 1).float()[None]
    if rgb_1CHW.shape[2:] == (size, size):
        return rgb_1CHW
    resized = torch.nn.functional.interpolate(rgb_1CHW, (size, size), mode="bilinear", antialias=True)
    return resized.clamp(0, 255)


def frechet(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """The Fréchet distance of features (n, d), by `metrics`."""
    of_a, of_b = (moments(len(rows), torch.from_numpy(rows.sum(0)), torch.from_numpy(rows.T @ rows)) for rows in (a, b))
    return float(frechet_distance(*of_a, *of_b))


def speed(size: int, count: int = 300) -> float:
    """Faces a second of processor time, labels included."""
    start = time.process_time()
    for index in range(count):
        face = painter.sample_face(SEED + 1, index)
        painter.labels(face)
        painter.render(face, size)
    return count / (time.process_time() - start)


# Of the pupils: how far apart, and how high the middle between them, in shares of the width; how the head is tilted.
FRAMING = ("apart", "level", "tilt in degrees")
_EIGHTY = (0.1, 0.5, 0.9)


def framing(eyes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """10th percentile, median and 90th of `FRAMING`, (3, 3).

    Args:
        eyes: the pupils at the picture's left and right, x and y in shares of the width: (faces, 2, 2).
    """
    across, down = (eyes[:, 1] - eyes[:, 0]).T
    rows = [np.hypot(across, down), eyes[..., 1].mean(1), np.degrees(np.arctan2(down, across))]
    return np.quantile(rows, _EIGHTY, axis=1).T


def marked_eyes(table: Path) -> npt.NDArray[np.float64]:
    """Where a detector saw the eyes of a set's faces, from its `labels.csv`: (faces, 2, 2)."""
    import pandas as pd

    found = pd.read_csv(table).dropna(subset=["left_eye_x", "right_eye_x"])
    sides = [
        np.stack([found[f"{side}_eye_{axis}"] + found[f"{side}_eye_{size}"] / 2 for axis, size in ("xw", "yh")], -1)
        for side in ("right", "left")  # the character's
    ]
    return np.stack(sides, 1)


def painted_eyes(count: int) -> npt.NDArray[np.float64]:
    """Where the painter puts the eyes: (faces, 2, 2)."""
    faces = (painter.sample_face(SEED, index) for index in range(count))
    return np.array([[eye.iris for eye in geometry(face).body.eyes] for face in faces])


# At 96 px: of the channels in 0..1, of (max - min) / max of them, of the luma, and of the luma's steps.
LOOKS = ("red", "green", "blue", "saturation", "contrast", "share of edges", "edges' mean step")
_EDGE = 0.08


def looks(pictures: Pictures) -> npt.NDArray[np.float64]:
    """The means of `LOOKS`, (7,)."""
    rows = []
    for picture in pictures:
        rgb = _resized(picture, 96)[0].permute(1, 2, 0).numpy() / 255
        luma = rgb @ (0.299, 0.587, 0.114)
        step = np.hypot(np.diff(luma, axis=0)[:, 1:], np.diff(luma, axis=1)[1:])
        edges = step > _EDGE
        top = rgb.max(-1)
        saturation = ((top - rgb.min(-1)) / np.maximum(top, 1 / 255)).mean()
        rows.append([*rgb.mean((0, 1)), saturation, luma.std(), edges.mean(), step[edges].mean() if edges.any() else 0])
    return np.mean(rows, 0)


def contact_sheet(pictures: Pictures, columns: int) -> npt.NDArray[np.uint8]:
    """Pictures of one size side by side, as many whole rows as they fill."""
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures) - columns + 1, columns)]
    return np.vstack(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the measurements; 0 if the goals are met, 1 if one is missed.

    Raises:
        UserError: a file or folder is not there.
    """
    import cv2

    parser = argparse.ArgumentParser(prog="painter-check", description="Compares painted faces with real anime faces.")
    shared = Path("../shared")
    parser.add_argument("--anime", type=Path, default=shared / "data/anime256/images", help="folder of anime faces")
    parser.add_argument("--tight", type=Path, default=shared / "data/anime96/images", help="another, cropped closer")
    parser.add_argument("--photo", type=Path, default=shared / "data/photo128/images", help="folder of photos")
    parser.add_argument("--cascade", type=Path, default=shared / "weights/lbpcascade_animeface.xml")
    parser.add_argument("--squeezenet", type=Path, default=shared / "weights/squeezenet1_1_features.safetensors")
    parser.add_argument("--out", type=Path, default=Path("runs/painter-check"), help="where the contact sheets go")
    parser.add_argument("--count", type=int, default=500, help="pictures of each kind")
    given = parser.parse_args(arguments)
    for name in ("anime", "tight", "photo", "cascade", "squeezenet"):
        if not getattr(given, name).exists():
            raise UserError(f"painter-check: {getattr(given, name)} is not there; give --{name} PATH")

    torch.manual_seed(0)
    ours = painted(given.count, 256, "hair")  # as the set is framed that it is compared with
    anime, photo = read_pictures(given.anime, given.count), read_pictures(given.photo, given.count)
    given.out.mkdir(parents=True, exist_ok=True)
    for size in (256, 64, 32):
        sheet = contact_sheet(ours[:36] if size == 256 else painted(36, size), 6)
        cv2.imwrite(str(given.out / f"painted_{size}.png"), sheet[..., ::-1])
    print(f"contact sheets: {given.out}/painted_256.png, painted_64.png, painted_32.png")

    share, real_share = share_found(ours, given.cascade), share_found(anime, given.cascade)
    ratio = share / real_share
    met = [ratio >= FACES_AT_LEAST]
    print(
        f"faces the cascade finds: painted {share:.3f}, anime {real_share:.3f}, ratio {ratio:.3f} "
        f"(goal: >= {FACES_AT_LEAST:.2f}) {_verdict(met[-1])}"
    )
    for grey in (False, True):
        features = [squeezenet_features(pictures, given.squeezenet, grey) for pictures in (ours, anime, photo)]
        near, far = frechet(features[0], features[1]), frechet(features[2], features[1])
        met.append(near < DISTANCE_AT_MOST * far)
        print(
            f"Fréchet distance to anime on SqueezeNet features{', all grey' if grey else ''}: painted {near:.1f}, "
            f"photo {far:.1f}, ratio {near / far:.2f} (goal: below {DISTANCE_AT_MOST}) {_verdict(met[-1])}"
        )
    tables = [folder.parent / "labels.csv" for folder in (given.anime, given.tight)]
    met.append(_report_framing([table for table in tables if table.exists()]))
    sets = {"painted": painted(given.count, 96), "anime": anime, "closer": read_pictures(given.tight, given.count)}
    rows = [[name, *looks(pictures)] for name, pictures in sets.items()]
    print(tabulate(rows, ["at 96 px", *LOOKS], floatfmt=".3f"))
    print(f"speed on one core, labels included: {speed(64):.0f} faces/s at 64 px, {speed(32):.0f} at 32 px")
    return 0 if all(met) else 1


def _report_framing(tables: list[Path]) -> bool:
    """Prints how faces are framed, and says whether the painted ones lie within the sets'."""
    ours, sets = framing(painted_eyes(1000)), [framing(marked_eyes(table)) for table in tables]
    inside = True
    for row, name in enumerate(FRAMING):
        low, _, high = ours[row]
        within = not sets or min(one[row, 0] for one in sets) <= low <= high <= max(one[row, 2] for one in sets)
        others = ", ".join("{:.3g} {:.3g} {:.3g}".format(*one[row]) for one in sets) or "no set says where eyes are"
        print(f"framing, {name}: painted {low:.3g} {ours[row, 1]:.3g} {high:.3g}, sets {others} {_verdict(within)}")
        inside &= within
    return inside


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(str(error))
