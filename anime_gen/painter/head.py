"""Draws ears, face, nose and mouth."""

from __future__ import annotations

import skia

from anime_gen.painter.anatomy import MOUTH_SHAPE, Anatomy, face_depth
from anime_gen.painter.curves import PRESSED, TAPERED, closed_path, polygon, reverse, spline, straight
from anime_gen.painter.palette import Palette, mix
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene, argb, radial


def ear_outline(face: Face, body: Anatomy, side: int) -> list[tuple[float, float]]:
    """The ear's outer points, top to lobe."""
    view, cheek = body.view, face.head.cheek
    if face.head.ear == "pointy":
        shape = ((0.9, -0.02), (1.2, -0.16), (1.55, -0.42), (1.36, 0.08), (1.1, 0.36), (0.92, 0.5))
    else:
        shape = ((0.92, -0.04), (1.08, -0.12), (1.19, 0.0), (1.16, 0.22), (1.06, 0.42), (0.92, 0.5))
    return [view(side * x * cheek, y, -0.1) for x, y in shape]


def draw_ears(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Both ears, behind the face."""
    for side in (-1, 1):
        name = "left ear" if side > 0 else "right ear"
        points = ear_outline(face, body, side)
        edge = spline(points)
        scene.fill(scene.closed(edge), argb(colours.skin.base))
        inside = [
            tuple(0.6 * a + 0.4 * b for a, b in zip(p, body.ears[0 if side < 0 else 1], strict=True))
            for p in points[1:5]
        ]
        scene.fill(scene.closed(spline(inside)), argb(colours.skin.shadow, 0.8))  # type: ignore[arg-type]
        scene.ink(name, colours.skin.line, [(edge, 0.006)], PRESSED)


def face_path(body: Anatomy) -> skia.Path:
    """The bare head."""
    return closed_path(body.jaw, body.skull)


def draw_face(scene: Scene, face: Face, body: Anatomy, over_face: skia.Path, colours: Palette) -> None:
    """Skin, the hair's shadow on it, blush and outline."""
    path = face_path(body)
    scale = face.pose.scale
    scene.fill(path, argb(colours.skin.base))
    scene.clip(path)
    if face.style.kind != "flat":
        _cheek(scene, face, body, colours)
        shadow = skia.Path(over_face)
        shadow.offset(-0.075 * face.style.light * scale, 0.115 * scale)
        scene.fill(shadow, argb(colours.skin.shadow, 0.7 if face.style.kind == "soft" else 0.92))
    blush = face.expression.blush
    if blush:
        for side in (-1, 1):
            x, y = 0.56 * side, face.eyes.level + face.eyes.height + 0.17
            cx, cy = body.view(x, y, face_depth(x, y))
            strength = colours.blush_strength * blush
            fading = [argb(colours.blush, strength * share) for share in (1.0, 0.4, 0.0)]
            glow = radial((cx, cy), 0.28 * scale, fading, [0.0, 0.5, 1.0])
            scene.oval((cx, cy), 0.28 * scale, 0.22 * scale, glow)
            if face.style.kind != "soft" and scene.fine:
                marks = [
                    (
                        spline(
                            [
                                body.view(x + d + 0.03, y - 0.05, face_depth(x + d, y)),
                                body.view(x + d - 0.03, y + 0.05, face_depth(x + d, y)),
                            ]
                        ),
                        0.005,
                    )
                    for d in (-0.1, 0.0, 0.1)
                ]
                scene.ink("blush", mix(colours.blush, (190, 50, 60), 0.5), marks, alpha=0.8)
    if face.style.kind == "ink":
        _hatching(scene, face, body, colours)
    scene.unclip()
    # Painters lose the edge where the face is in the light.
    lost = 0.7 if face.style.kind == "soft" else 1.0
    scene.ink("face outline", colours.skin.line, [(body.jaw, 0.0075)], (0.5, 1.4, 0.5), lost)


def _cheek(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """The side of the face that turns away from the light: an edge of shadow, or a gradient in soft pictures."""
    scale, lit = face.pose.scale, face.style.light
    if face.style.kind == "soft":
        x, y = body.sides[0 if lit > 0 else 1]
        shade = colours.skin.shadow
        glow = radial((x, y), 0.95 * scale, [argb(shade, 0.85), argb(shade, 0.4), argb(shade, 0.0)], [0.0, 0.4, 1.0])
        scene.oval((x, y), 0.95 * scale, 0.95 * scale, glow)
        return
    across, up = 0.1 * lit * scale, -0.03 * scale
    inner = [value + (up if i % 2 else across) for i, value in enumerate(body.jaw)]
    scene.fill(scene.closed(body.jaw, reverse(inner)), argb(colours.skin.shadow, 0.85))
    if face.style.rim:
        # From the temple down to the jaw: the first or the last three of twelve segments.
        edge = body.jaw[-20:-6] if lit < 0 else body.jaw[6:20]
        band = scene.outlines.bands([(edge, 0.05 * scale, TAPERED)])
        scene.fill(band, argb(mix(colours.skin.base, (255, 252, 244), 0.7), 0.9 * face.style.rim))


def _hatching(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Pen shading on the cheek that lies in shadow."""
    s = -face.style.light
    lines = []
    for i in range(7):
        y = 0.3 + 0.09 * i
        x = 0.9 - 0.05 * i
        lines.append((straight(body.view(s * x, y - 0.08, 0.3), body.view(s * (x - 0.3), y + 0.12, 0.5)), 0.0045))
    scene.ink("hatching", mix(colours.skin.line, colours.skin.shadow, 0.35), lines)


def draw_nose(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """As little nose as the style allows."""
    scale, line = face.pose.scale, mix(colours.skin.line, colours.skin.shadow, 0.3)
    x, y = body.nose
    turn = scale if face.pose.yaw > 0 else -scale
    kind = face.head.nose
    if kind == "shadow":
        edge = [(x - 0.4 * turn * 0.06, y - 0.1 * scale), (x + turn * 0.05, y + 0.015 * scale), (x - turn * 0.03, y)]
        scene.fill(polygon(edge), argb(colours.skin.shadow))
    curve, width = {
        "dot": (spline([(x, y - 0.015 * scale), (x + turn * 0.015, y + 0.015 * scale)]), 0.032),
        "line": (spline([(x, y - 0.07 * scale), (x + turn * 0.025, y + 0.01 * scale)]), 0.022),
        "shadow": (spline([(x - 0.02 * scale, y + 0.015 * scale), (x + 0.03 * scale, y + 0.015 * scale)]), 0.018),
        "hook": (
            spline([(x, y - 0.14 * scale), (x + turn * 0.045, y - 0.01 * scale), (x - turn * 0.02, y + 0.02 * scale)]),
            0.022,
        ),
    }[kind]
    scene.ink("nose", line, [(curve, width * scale)])


def draw_mouth(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """The mouth's line or opening, with teeth, tongue, fang and lips."""
    mood, at, scale = face.expression, body.mouth_at, face.pose.scale
    half, corner, top, bottom = MOUTH_SHAPE[mood.mouth]
    line = mix(colours.skin.line, (120, 30, 40), 0.35)
    weight = 0.028 * scale
    if mood.lips:
        outline = spline(
            [
                at(-0.5, 0.0),
                at(-0.16, top - 0.05),
                at(0, top - 0.03),
                at(0.16, top - 0.05),
                at(0.5, 0.0),
                at(0.25, bottom + 0.07),
                at(-0.25, bottom + 0.07),
            ],
            closed=True,
        )
        scene.fill(scene.closed(outline), argb((214, 88, 98), 0.8))
        scene.trace_only("mouth", outline, 0.004)
    if mood.mouth in (":d", "open", "grin", "tongue out", "small"):
        upper = spline([at(-half, corner), at(-0.4 * half, top), at(0.4 * half, top), at(half, corner)])
        lower = spline(
            [
                at(half, corner),
                at(0.62 * half, corner + 0.72 * (bottom - corner)),
                at(0, bottom),
                at(-0.62 * half, corner + 0.72 * (bottom - corner)),
                at(-half, corner),
            ]
        )
        path = scene.closed(upper, lower)
        scene.fill(path, argb((246, 244, 242) if mood.mouth == "grin" else colours.mouth))
        scene.clip(path)
        if mood.mouth in (":d", "open", "tongue out"):
            cx, cy = at(0, bottom + 0.01)
            scene.oval(
                (cx, cy), 0.62 * half * mood.mouth_width * scale, 0.45 * (bottom - top) * scale, argb(colours.tongue)
            )
        if mood.mouth == ":d":
            edge = spline([at(half, corner + 0.03), at(0, top + 0.035), at(-half, corner + 0.03)])
            teeth = scene.closed(upper, edge)
            scene.fill(teeth, argb((250, 248, 246)))
        scene.unclip()
        scene.ink("mouth", line, [(upper, weight), (lower, weight)], PRESSED)
        if mood.mouth == "tongue out":
            tip = spline([at(-0.3, 0.03), at(-0.28, 0.14), at(0, 0.2), at(0.28, 0.14), at(0.3, 0.03)])
            scene.fill(scene.closed(tip), argb(colours.tongue))
            scene.ink("mouth", line, [(tip, weight * 0.8)], PRESSED)
    elif mood.mouth == "cat":
        curve = spline([at(-half, corner), at(-0.45, bottom), at(0, 0), at(0.45, bottom), at(half, corner)])
        scene.ink("mouth", line, [(curve, weight)], PRESSED)
    else:
        curve = spline(
            [
                at(-half, corner),
                at(-0.4 * half, 0.5 * (corner + bottom) + 0.3 * bottom),
                at(0.4 * half, 0.5 * (corner + bottom) + 0.3 * bottom),
                at(half, corner),
            ]
        )
        scene.ink("mouth", line, [(curve, weight)], (0.5, 1.4, 0.5))
        if scene.fine:
            scene.ink(
                "mouth", line, [(spline([at(-0.2, bottom + 0.1), at(0.2, bottom + 0.1)]), weight * 0.5)], TAPERED, 0.5
            )
    if has_fang(face):
        y = top + 0.005 if mood.mouth in (":d", "open") else 0.02
        fang = polygon([at(-0.42 * half, y), at(-0.28 * half, y + 0.075), at(-0.14 * half, y)])
        scene.fill(fang, argb((255, 255, 255)))
        scene.ink(
            "mouth",
            line,
            [
                (
                    spline([at(-0.42 * half, y), at(-0.28 * half, y + 0.075), at(-0.14 * half, y)], tension=0.02),
                    weight * 0.5,
                )
            ],
        )


def has_fang(face: Face) -> bool:
    """A fang shows only where the lips part or the corner lifts."""
    return face.expression.fang and face.expression.mouth in (":d", "open", "smile", "cat", "tongue out")


def draw_tears(scene: Scene, face: Face, body: Anatomy) -> None:
    """Drops below the eyes."""
    if not face.expression.tears:
        return
    for eye in body.eyes:
        x, y = eye.at(0.55, 1.05)
        scale = face.pose.scale
        drop = spline(
            [(x, y), (x + 0.075 * scale, y + 0.2 * scale), (x, y + 0.29 * scale), (x - 0.075 * scale, y + 0.2 * scale)],
            closed=True,
        )
        scene.fill(scene.closed(drop), argb((176, 222, 250), 0.92))
        scene.ink("tears", (96, 150, 200), [(drop, 0.014 * scale)], PRESSED)
        glint = spline([(x - 0.03 * scale, y + 0.15 * scale), (x - 0.01 * scale, y + 0.22 * scale)])
        scene.fill(scene.outlines.bands([(glint, 0.015 * scale, TAPERED)]), argb((255, 255, 255)))
