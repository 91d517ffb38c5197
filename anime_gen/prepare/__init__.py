"""From a heap of illustrations to a folder that `DATA=` takes.

Read `face.py` (a face), `detector.py` and `landmarks.py` (who finds it, and who marks it), `crop.py` (how it is cut
out), `quality.py` and `copies.py` (what is left out), `picture.py` (one raw picture from file to faces), `journal.py`
(what a run that was stopped remembers), `pipeline.py` (all of them, and what is written), `report.py`; `card.py` is of
any data set.
"""

from anime_gen.prepare.animeface import AnimeFace
from anime_gen.prepare.detector import AnimeFaceDetector, Cascade, Detector, Whole
from anime_gen.prepare.heatmap import Heatmaps
from anime_gen.prepare.landmarks import Landmarks
from anime_gen.prepare.mmpose import MMPose

__all__ = ["AnimeFace", "AnimeFaceDetector", "Cascade", "Detector", "Heatmaps", "Landmarks", "MMPose", "Whole"]
