"""The ruler's own examination: which scores see which disturbances, and from which strength on.

A score's *response* is how far it moves from what it says of undisturbed pictures, in standard deviations of what it
says of those from one drawing of pictures to the next. Above `SEEN` it has seen something. Whether it should have, the
reader decides: labels may be robust, distances must not be. Of the suite's own two distances that is decided: see
`unseen`.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from scipy.stats import kendalltau
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.judging.disturbances import DISTURBANCES, Disturbance, Pictures
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores

SEEN = 5.0
# Drawings of undisturbed pictures, and those of them whose second half is disturbed.
DRAWINGS, DISTURBED = 32, 2
# The ruler's two sides: how pictures are rendered, and what they show, by which judge ever. Each has to see its own
# disturbances by so much.
OF_RENDERING, OF_CONTENT = re.compile(r"fd_render"), re.compile(r"fd_judge\w*")
RENDERING_SEEN = 20.0


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
    tried = [one for one in disturbances if pictures.faces or not one.painted]
    undisturbed: list[dict[str, float]] = []
    values: dict[tuple[Disturbance, float], list[dict[str, float]]] = defaultdict(list)
    for seed in range(DRAWINGS):
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        real, half = pictures.images_NCHW[order[: count // 2]], order[count // 2 :]
        faces = tuple(pictures.faces[row] for row in half.tolist()) if pictures.faces else ()
        samples = Pictures(pictures.images_NCHW[half], faces)
        scores.reset_all()
        _show(scores, real, Role.HELD_OUT)
        watch("undisturbed")
        undisturbed.append(_values(scores, samples.images_NCHW))
        for disturbance in tried if seed < DISTURBED else ():
            for strength in disturbance.strengths:
                watch(f"{disturbance.name} {strength:.3g} {disturbance.unit}")
                values[disturbance, strength].append(_values(scores, disturbance.apply(samples, strength, seed)))
    usual = {name: statistics.fmean(one[name] for one in undisturbed) for name in undisturbed[0]}
    # One that never moves at all has seen nothing as long as it does not.
    spread = {name: max(statistics.stdev(one[name] for one in undisturbed), 1e-12) for name in usual}
    worse = {name: -1.0 if better else 1.0 for name, better in scores.better.items()}
    responses = []
    for (disturbance, strength), several in values.items():
        for name in usual:
            value = statistics.fmean(one[name] for one in several)
            moved = worse[name] * (value - usual[name]) / spread[name]
            responses.append(
                Response(disturbance.name, strength, disturbance.unit, name, value, usual[name], spread[name], moved)
            )
    return responses


def scorings(pictures: Pictures, disturbances: Sequence[Disturbance] = DISTURBANCES) -> int:
    """How often `examine` says what comes next."""
    tried = [one for one in disturbances if pictures.faces or not one.painted]
    return DRAWINGS + DISTURBED * sum(len(one.strengths) for one in tried)


def _show(scores: Scores, images_NCHW: Tensor, role: Role) -> None:
    for some in torch.split(images_NCHW, 64):
        scores.update(some, role)


def _values(scores: Scores, fake_NCHW: Tensor) -> dict[str, float]:
    """What they say of samples; the real pictures stay."""
    _show(scores, fake_NCHW, Role.SAMPLE)
    found = {one.name: one.value for one in scores.compute() if one.value is not None}
    scores.reset()
    return found


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
    if math.isnan(response):
        return "nan"
    if abs(response) >= 1e6:
        return ">1e6" if response > 0 else "<-1e6"
    return f"{response:.0f}" if abs(response) >= 10 else f"{response:.1f}"


def unseen(responses: Sequence[Response], disturbances: Sequence[Disturbance] = DISTURBANCES) -> list[str]:
    """What the suite's own distances have to see and do not, a line each; of scores that were not asked, nothing."""
    missed = []
    for disturbance in disturbances:
        of, least = (OF_RENDERING, RENDERING_SEEN) if disturbance.of_rendering else (OF_CONTENT, SEEN)
        strength = disturbance.strengths[disturbance.must]
        missed += [
            f"{one.disturbance}, {strength:.3g} {one.unit}: {one.score} {_short(one.response)}, not {least:g}"
            for one in responses
            if (one.disturbance, one.strength) == (disturbance.name, strength) and of.fullmatch(one.score)
            if not one.response >= least
        ]
    return missed


def agreement(responses: Sequence[Response], disturbances: Sequence[Disturbance] = DISTURBANCES) -> dict[str, float]:
    """Score -> Kendall's tau (1938) of its order of the rows of rendering with `fd_render`'s: 1 is the same order.

    Numbers without training are believed where they put what is wrong in the order in which a trained network does.
    """
    of_rendering = {one.name for one in disturbances if one.of_rendering}
    orders: dict[str, list[float]] = defaultdict(list)
    for one in responses:
        if one.disturbance in of_rendering:
            orders[one.score].append(one.response)
    own = orders.pop(OF_RENDERING.pattern, None)
    if own is None:
        return {}
    found = {name: float(kendalltau(own, order).statistic) for name, order in orders.items()}
    return {name: tau for name, tau in found.items() if not math.isnan(tau)}  # one that never moves has no order


def summary(responses: Sequence[Response]) -> dict[str, Any]:
    """As it is kept beside a judge's weights: of each score what it says of undisturbed pictures, and its responses."""
    found: dict[str, Any] = {}
    for disturbance, score, line in rows(responses):
        seen = just_seen(line)
        of_score = found.setdefault(score, {"undisturbed": line[0].undisturbed, "deviation": line[0].deviation})
        of_score[disturbance] = {
            "strengths": [one.strength for one in line],
            "responses": [round(one.response, 1) for one in line],
            "just_seen": None if seen is None else seen.strength,
        }
    return found


def report(responses: Sequence[Response], scores: Scores, about: dict[str, Any]) -> dict[str, Any]:
    """As JSON: what was examined, on what, and all responses."""
    protocols = {name: score.protocol_of(name) for score in scores.scores for name in score.names}
    return {
        **about,
        "seen_from": SEEN,
        "drawings": DRAWINGS,
        "agreement_with_fd_render": agreement(responses),
        "scores": {name: {k: v for k, v in one.items() if k != "observed"} for name, one in protocols.items()},
        "responses": [one._asdict() for one in responses],
    }
