"""The ruler's own examination: which scores see which disturbances, and from which strength on.

A score's *response* is how far it moves from what it says of undisturbed pictures, in standard deviations of what it
says of those from one drawing of pictures to the next. Above `SEEN` it has seen something. Whether it should have, the
reader decides: labels may be robust, distances must not be.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.judging.disturbances import DISTURBANCES, Disturbance, Pictures
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores

SEEN = 5.0
# Drawings of undisturbed pictures, and those of them whose second half is disturbed.
DRAWINGS, DISTURBED = 10, 2


class Response(NamedTuple):
    """Of one score to one strength of one disturbance."""

    disturbance: str
    strength: float
    unit: str
    score: str
    value: float
    undisturbed: float
    deviation: float  # of the undisturbed
    response: float  # > 0: in the direction in which the score is worse


def examine(
    pictures: Pictures,
    scores: Scores,
    disturbances: Sequence[Disturbance] = DISTURBANCES,
    watch: Callable[[str], None] = lambda what: None,
) -> list[Response]:
    """Each score's response to every strength of every disturbance that these pictures can have.

    Args:
        pictures: twice as many as are compared: half of them, drawn at random, stand for the real ones.
        scores: fed with those as real pictures, and with the others as samples.
        disturbances: that are tried.
        watch: is told what comes next.

    Raises:
        UserError: too few pictures.
    """
    count = len(pictures.images_NCHW)
    if count < 40:
        raise UserError(f"an examination needs at least 40 pictures, and says something from 800 on; there are {count}")
    orders = [torch.randperm(count, generator=torch.Generator().manual_seed(seed)) for seed in range(DRAWINGS)]
    watch("undisturbed")
    found = [_values(scores, *_halves(pictures.images_NCHW, order)) for order in orders]
    usual = {name: statistics.fmean(one[name] for one in found) for name in found[0]}
    # One that never moves at all has seen nothing as long as it does not.
    spread = {name: max(statistics.stdev(one[name] for one in found), 1e-12) for name in usual}
    worse = {name: -1.0 if better else 1.0 for name, better in scores.better.items()}
    responses = []
    for disturbance in disturbances:
        if disturbance.painted and not pictures.faces:
            continue
        for strength in disturbance.strengths:
            watch(f"{disturbance.name} {strength:.3g} {disturbance.unit}")
            values: dict[str, list[float]] = {name: [] for name in usual}
            for seed, order in enumerate(orders[:DISTURBED]):
                half = order[count // 2 :]
                faces = tuple(pictures.faces[row] for row in half.tolist()) if pictures.faces else ()
                fake = disturbance.apply(Pictures(pictures.images_NCHW[half], faces), strength, seed)
                for name, value in _values(scores, pictures.images_NCHW[order[: count // 2]], fake).items():
                    values[name].append(value)
            for name, several in values.items():
                value = statistics.fmean(several)
                moved = worse[name] * (value - usual[name]) / spread[name]
                responses.append(
                    Response(
                        disturbance.name, strength, disturbance.unit, name, value, usual[name], spread[name], moved
                    )
                )
    return responses


def _halves(images_NCHW: Tensor, order_N: Tensor) -> tuple[Tensor, Tensor]:
    half = len(order_N) // 2
    return images_NCHW[order_N[:half]], images_NCHW[order_N[half:]]


def _values(scores: Scores, real_NCHW: Tensor, fake_NCHW: Tensor) -> dict[str, float]:
    scores.reset_all()
    for role, images in ((Role.HELD_OUT, real_NCHW), (Role.SAMPLE, fake_NCHW)):
        for some in torch.split(images, 64):
            scores.update(some, role)
    return {one.name: one.value for one in scores.compute() if one.value is not None}


def rows(responses: Sequence[Response]) -> Iterator[tuple[str, str, list[Response]]]:
    """(disturbance, score, its responses from the weakest strength to the strongest), in the order of the rows."""
    keys = dict.fromkeys((one.disturbance, one.score) for one in responses)
    for disturbance, score in keys:
        yield disturbance, score, [one for one in responses if (one.disturbance, one.score) == (disturbance, score)]


def just_seen(responses: Sequence[Response]) -> Response | None:
    """The weakest strength from which on every stronger one is seen, too; None: not even the strongest is."""
    seen = None
    for one in reversed(responses):
        if not one.response >= SEEN:
            break
        seen = one
    return seen


def table(responses: Sequence[Response]) -> str:
    """A line for each disturbance, a column for each score: the responses, and the strength that is just seen."""
    scores = list(dict.fromkeys(one.score for one in responses))
    cells: dict[str, list[str]] = {}
    for disturbance, _, line in rows(responses):
        seen = just_seen(line)
        said = " ".join(_short(one.response) for one in line)
        cells.setdefault(disturbance, []).append(f"{said}  [{f'{seen.strength:.3g}' if seen else 'never'}]")
    head = ["", "strengths", *scores]
    lines = []
    for disturbance, columns in cells.items():
        line = [one for one in responses if one.disturbance == disturbance and one.score == scores[0]]
        strengths = " ".join(f"{one.strength:.3g}" for one in line)
        lines.append([disturbance, f"{strengths} {line[0].unit}", *columns])
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *lines]
    )


def _short(response: float) -> str:
    if abs(response) >= 1e6 or not math.isfinite(response):
        return ">1e6" if response > 0 else "<-1e6"
    return f"{response:.0f}" if abs(response) >= 10 else f"{response:.1f}"


def report(responses: Sequence[Response], scores: Scores, about: dict[str, Any]) -> dict[str, Any]:
    """As JSON: what was examined, on what, and all responses."""
    protocols = {name: score.protocol_of(name) for score in scores.scores for name in score.names}
    return {
        **about,
        "seen_from": SEEN,
        "drawings": DRAWINGS,
        "scores": {name: {k: v for k, v in one.items() if k != "observed"} for name, one in protocols.items()},
        "responses": [one._asdict() for one in responses],
    }
