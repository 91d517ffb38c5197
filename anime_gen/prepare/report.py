"""What was kept, what was left out and why: for people (HTML with thumbnails) and for programs (JSON)."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from anime_gen.decode import decode, read
from anime_gen.prepare.picture import Cut, Outcome, recut
from anime_gen.prepare.rules import Reason

# Pixels of a thumbnail, and how many are shown of each kind.
_THUMBNAIL, _SHOWN = 96, 24
_MEASURES = ("side", "sharpness", "blockiness", "flatness", "contrast", "outside", "eyes_apart", "marked")


class Case(NamedTuple):
    """A raw picture, or one face of it, and why it is left out (None: it is kept)."""

    outcome: Outcome
    face: Cut | None
    reason: Reason | None


def cases(outcomes: Iterable[Outcome]) -> list[Case]:
    """One for each face; one for each picture of which no face was cut."""
    found = []
    for outcome in outcomes:
        if outcome.dropped is not None:
            found.append(Case(outcome, None, outcome.dropped))
        found += [Case(outcome, face, face.dropped) for face in outcome.faces]
    return found


def as_json(outcomes: list[Outcome], rules: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, quantiles of what was measured, and every case that is left out."""
    every = cases(outcomes)
    kept = [case.face for case in every if case.reason is None and case.face is not None]
    counts = Counter(case.reason.value for case in every if case.reason is not None)
    return {
        "rules": dict(rules),
        "raw_pictures": len(outcomes),
        "kept_faces": len(kept),
        "left_out": dict(counts.most_common()),
        "measured": {
            name: _quantiles([face.quality[name] for face in kept if name in face.quality]) for name in _MEASURES
        },
        "cases": [
            {
                "source": case.outcome.raw.name,
                "reason": case.reason.value,
                "why": case.outcome.why,
                **({"square": case.face.square, **case.face.quality} if case.face else {}),
            }
            for case in every
            if case.reason is not None
        ],
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    """Tenth, half, nine tenths."""
    if not values:
        return {}
    return {f"{share:g}": round(float(np.quantile(values, share)), 4) for share in (0.1, 0.5, 0.9)}


def summary(outcomes: list[Outcome]) -> str:
    """What was kept and left out, in one line."""
    every = cases(outcomes)
    kept = sum(case.reason is None for case in every)
    counts = Counter(case.reason.value for case in every if case.reason is not None)
    left = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common()) or "nothing"
    return f"{kept:,} faces of {len(outcomes):,} pictures kept; left out: {left}"


def as_html(outcomes: list[Outcome], raw: Path, rules: Mapping[str, Any]) -> str:
    """A page that needs nothing beside it.

    Args:
        outcomes: of all raw pictures.
        raw: their folder, from which thumbnails are drawn.
        rules: by which they were judged.
    """
    every = cases(outcomes)
    size, least_sure = int(rules["size"]), float(rules["least_sure"])
    groups: list[tuple[str, list[Case]]] = [("Kept", [case for case in every if case.reason is None])]
    groups += [
        (f"Left out: {reason.value}", [case for case in every if case.reason is reason])
        for reason in Reason
        if any(case.reason is reason for case in every)
    ]
    sections = "\n".join(_section(title, members, raw, size, least_sure) for title, members in groups)
    told = ", ".join(f"{name} {value}" for name, value in rules.items())
    return _PAGE.format(summary=_safe(summary(outcomes)), rules=_safe(told), sections=sections)


def _section(title: str, members: list[Case], raw: Path, size: int, least_sure: float) -> str:
    # Spread over all of them, not the first ones: those may all be of one folder.
    spread = np.linspace(0, max(0, len(members) - 1), min(_SHOWN, len(members)))
    places: list[int] = np.unique(spread.astype(int)).tolist()
    shown = "\n".join(_figure(members[place], raw, size, least_sure) for place in places)
    return f"<h2>{_safe(title)} <small>{len(members):,}</small></h2>\n<div>{shown}</div>"


def _figure(case: Case, raw: Path, size: int, least_sure: float) -> str:
    source = case.outcome.raw.name
    words = [source, case.outcome.why] if case.reason else [source]
    if case.face is not None:
        measured = case.face.quality
        words += [f"{name} {measured[name]:g}" for name in _MEASURES if name in measured]
    caption = _safe(", ".join(filter(None, words)))
    picture = _thumbnail(case, raw, size, least_sure, caption)
    return f'<figure title="{caption}">{picture}<figcaption>{_safe(source)}</figcaption></figure>'


def _thumbnail(case: Case, raw: Path, size: int, least_sure: float, caption: str) -> str:
    path = raw / case.outcome.raw.name
    if case.reason is Reason.broken:  # what ended a process that read it would end this one
        return _nothing(caption)
    try:
        if case.face is None:
            pixels = decode(path, _THUMBNAIL)
        else:
            whole = Image.fromarray(recut(read(path), case.face, size))
            small = whole.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BICUBIC)
            pixels = np.asarray(_marked(small, case.face, least_sure))
    except Exception:  # a broken file has no picture
        return _nothing(caption)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=85)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}" alt="{caption}">'


def _marked(picture: Image.Image, face: Cut, least_sure: float) -> Image.Image:
    """With a dot at each landmark: those that count as hidden are orange."""
    draw = ImageDraw.Draw(picture)
    for (x, y), sure in zip(face.landmarks, face.sure or (1.0,) * len(face.landmarks), strict=True):
        place = (x * picture.width, y * picture.height)
        draw.circle(place, 1.2, fill="#00c8a0" if sure >= least_sure else "#ff9000")
    return picture


def _nothing(caption: str) -> str:
    return f'<span role="img" aria-label="{caption}">?</span>'


def _safe(text: str) -> str:
    """A file's name is bytes, and may hold anything."""
    return html.escape(text.encode(errors="backslashreplace").decode())


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What was prepared</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }}
html {{ color-scheme: light dark }}
div {{ display: grid; grid-template-columns: repeat(auto-fill, 96px); gap: 10px }}
figure {{ margin: 0 }}
img, span {{ width: 96px; height: 96px; border-radius: 4px; display: block; background: #8884; text-align: center }}
figcaption {{ font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }}
small {{ opacity: .6; font-weight: normal }}
</style>
<h1>What was prepared</h1>
<p>{summary}</p>
<p><small>{rules}</small></p>
{sections}
</html>
"""
