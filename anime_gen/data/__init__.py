"""Anime faces from the painter or from folders, served to every family in one form.

Read in this order: source.py (what a source promises), painted.py, photos.py (the painted people photographed) and
folder.py (the three that are packed), shards.py (one that is streamed), decode.py, manifest.py and labels.py (files to
pixels and labels), relabelled.py (a source under other labels), chosen.py (under other tags), pack.py (columns on
disk), sampler.py (which picture when), pictures.py (a `Batch`), loader.py and datamodule.py (Lightning).
"""

from anime_gen.data.chosen import ChosenTags
from anime_gen.data.datamodule import AnimeFaces
from anime_gen.data.folder import Folder
from anime_gen.data.painted import PaintedFaces
from anime_gen.data.photos import PaintedPhotos
from anime_gen.data.relabelled import NoisyLabels, Relabelled
from anime_gen.data.shards import Shards
from anime_gen.data.source import Source, Split

__all__ = [
    "AnimeFaces",
    "ChosenTags",
    "Folder",
    "NoisyLabels",
    "PaintedFaces",
    "PaintedPhotos",
    "Relabelled",
    "Shards",
    "Source",
    "Split",
]
