"""The forms in which people keep labels of pictures, and the way of each into a manifest.

The first form that a folder has is taken; others that it has, too, are named. A form is a page: `described.py` reads
what an object says of one picture, `beside.py` a file beside each picture, `tables.py` one for all, `subfolders.py`
the names of folders.
"""

from __future__ import annotations

from anime_gen.data.metadata.beside import JSON, TEXT
from anime_gen.data.metadata.form import Form
from anime_gen.data.metadata.subfolders import SUBFOLDERS
from anime_gen.data.metadata.tables import LABELS_CSV, METADATA, STYLEGAN

__all__ = ["FORMS", "SUBFOLDERS", "Form"]

FORMS: tuple[Form, ...] = (METADATA, LABELS_CSV, STYLEGAN, JSON, TEXT, SUBFOLDERS)
