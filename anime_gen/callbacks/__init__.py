"""What every family is trained under: averaging, scoring, grids, curves, checkpoints, alarms."""

from anime_gen.callbacks.best import Best
from anime_gen.callbacks.collapse import Collapse
from anime_gen.callbacks.curves import Curves
from anime_gen.callbacks.divergence import Diverged, Divergence
from anime_gen.callbacks.ema import EMA
from anime_gen.callbacks.evaluation import Evaluation, Part, Stage
from anime_gen.callbacks.grids import Grids
from anime_gen.callbacks.progress import Images
from anime_gen.callbacks.provenance import Provenance
from anime_gen.callbacks.ranks import Ranks
from anime_gen.callbacks.rates import Scale
from anime_gen.callbacks.resume import Resume
from anime_gen.callbacks.scoring import Scoring
from anime_gen.callbacks.summary import Summary
from anime_gen.callbacks.translation import Translation

__all__ = [
    "EMA",
    "Best",
    "Collapse",
    "Curves",
    "Diverged",
    "Divergence",
    "Evaluation",
    "Grids",
    "Images",
    "Part",
    "Provenance",
    "Ranks",
    "Resume",
    "Scale",
    "Scoring",
    "Stage",
    "Summary",
    "Translation",
]
