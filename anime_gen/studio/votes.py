"""Which of two is better, asked of people: their votes in a file, and what they say of the runs.

The model is Bradley and Terry's (1952): a run is preferred to another with odds that are the ratio of their strengths.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anime_gen.contract import UserError

SCHEMA = """CREATE TABLE IF NOT EXISTS votes (
    at TEXT NOT NULL, "left" TEXT NOT NULL, "right" TEXT NOT NULL,
    chosen TEXT NOT NULL CHECK (chosen IN ('left', 'right', 'tie')), words TEXT NOT NULL, seeds TEXT NOT NULL
)"""
# Standard deviation of a log strength before anybody has voted: a run may be preferred in 95 of 100 cases, or in 5.
SPREAD = 1.5
CONFIDENCE = 0.95
DRAWS = 4000


class Vote(NamedTuple):
    """One comparison."""

    at: str  # UTC
    left: str
    right: str
    chosen: str  # left, right or tie
    words: str  # what both were asked for
    seeds: str


class Place(NamedTuple):
    """What the votes say of one run."""

    run: str
    preferred: float  # chance of being preferred to one of the others, each as likely
    low: float
    high: float
    votes: int


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            yield connection
    except sqlite3.Error as reason:
        raise UserError(f"{path}: {reason}; give a file that a studio has made, or a new one") from reason


def keep(path: Path, left: str, right: str, chosen: str, words: str, seeds: Sequence[int]) -> None:
    """Adds a vote to a file, which is made if there is none.

    Raises:
        UserError: it is another file, or cannot be written.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    vote = Vote(at, left, right, chosen, words, ",".join(map(str, seeds)))
    with _opened(path) as connection:
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?)", vote)


def read(path: Path) -> list[Vote]:
    """All votes of a file, the oldest first; none where it is not there yet.

    Raises:
        UserError: it is another file.
    """
    if not path.exists():
        return []
    with _opened(path) as connection:
        return [Vote(*row) for row in connection.execute("SELECT * FROM votes ORDER BY rowid")]


def ranking(votes: Sequence[Vote], runs: Sequence[str] = ()) -> list[Place]:
    """The runs that were voted on, and `runs`, the best first.

    The intervals are those of the normal distribution around the likeliest strengths (Laplace's approximation), with a
    wide prior. Resampled votes would be certain of whatever few votes agree on. A tie is half a vote for each.
    """
    names = list(dict.fromkeys([*runs, *(name for vote in votes for name in (vote.left, vote.right))]))
    if len(names) < 2:
        return [Place(name, 0.5, 0.0, 1.0, 0) for name in names]
    number = {name: place for place, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for vote in votes:
        left, right = number[vote.left], number[vote.right]
        share = {"left": 1.0, "right": 0.0, "tie": 0.5}[vote.chosen]
        wins[left, right] += share
        wins[right, left] += 1 - share
    strength, covariance = likeliest(wins)
    drawn = np.random.default_rng(0).multivariate_normal(strength, covariance, DRAWS)
    low, high = np.quantile(preferred(drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    middle, counts = preferred(strength[None])[0], (wins + wins.T).sum(1)
    places = [
        Place(name, float(middle[k]), float(low[k]), float(high[k]), int(counts[k])) for name, k in number.items()
    ]
    return sorted(places, key=lambda place: -place.preferred)


def likeliest(wins: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log strengths (N,) of the highest posterior density, and their covariance (N, N) there.

    Args:
        wins: (N, N), how often the run of a row was preferred to that of a column.
    """
    both, theta = wins + wins.T, np.zeros(len(wins))
    for _ in range(50):  # Newton's method: the density is concave
        chance = 1 / (1 + np.exp(theta[None] - theta[:, None]))
        gradient = (wins - both * chance).sum(1) - theta / SPREAD**2
        weight = both * chance * (1 - chance)
        precision = np.diag(weight.sum(1) + SPREAD**-2) - weight
        step = np.linalg.solve(precision, gradient)
        theta = theta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return theta, np.linalg.inv(precision)


def preferred(theta_SN: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, N): each run's chance of being preferred to one of the others, by S sets of log strengths."""
    chance = 1 / (1 + np.exp(theta_SN[:, None, :] - theta_SN[:, :, None]))
    return (chance.sum(2) - 0.5) / (theta_SN.shape[1] - 1)
