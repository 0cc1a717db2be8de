"""Painting places by day, at night and at sunset."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.vocabulary import Rgb
from tools.miniature.canvas import Canvas
from tools.miniature.scenes import Landscape
from tools.miniature.shapes import Field, box, circle, moon


@dataclass(frozen=True, slots=True)
class Light:
    """A time of day: the sky from above to the horizon, what shines in it, and what its light does to colours."""

    above: Rgb
    below: Rgb
    lamp: Rgb
    tint: Rgb

    def on(self, red: float, green: float, blue: float) -> Rgb:
        """A colour as it looks in this light."""
        return red * self.tint[0], green * self.tint[1], blue * self.tint[2]


def light_of(time: str) -> Light:
    """The light of a time that the vocabulary knows."""
    return {
        "by day": Light((0.36, 0.62, 0.93), (0.78, 0.90, 0.98), (1.00, 0.93, 0.55), (1.0, 1.0, 1.0)),
        "at night": Light((0.05, 0.07, 0.20), (0.17, 0.22, 0.42), (0.97, 0.95, 0.80), (0.34, 0.40, 0.58)),
        "at sunset": Light((0.44, 0.30, 0.58), (0.99, 0.66, 0.36), (1.00, 0.86, 0.42), (0.92, 0.68, 0.62)),
    }[time]


def paint_landscape(canvas: Canvas, scene: Landscape) -> None:
    """Sky, what stands in it, the land, and what stands on the land."""
    light = light_of(scene.time)
    rng = np.random.default_rng(scene.seed)
    canvas.wash(light.above, light.below, scene.horizon)
    _paint_sky(canvas, scene, light, rng)
    _places()[scene.place](canvas, scene.horizon, light, rng)
    if scene.feature:
        _features()[scene.feature](canvas, scene.feature_x * canvas.x[0, -1], scene.horizon + 0.13, light)


def _paint_sky(canvas: Canvas, scene: Landscape, light: Light, rng: np.random.Generator) -> None:
    side = 0.22 if rng.random() < 0.5 else 0.78  # noqa: PLR2004 - either side
    x = canvas.x - np.float32(side * canvas.x[0, -1] + rng.normal(0, 0.03))
    if scene.time == "at sunset":
        canvas.glow(circle(x, canvas.y - np.float32(scene.horizon - 0.06), 0.11), light.lamp, 0.09)
        return
    y = canvas.y - np.float32(0.19)
    if scene.time == "at night":
        for _ in range(14):
            at_x, at_y = rng.uniform(0.02, float(canvas.x[0, -1])), rng.uniform(0.03, scene.horizon - 0.12)
            canvas.mark(circle(canvas.x - np.float32(at_x), canvas.y - np.float32(at_y), rng.uniform(0.006, 0.011)),
                        (0.95, 0.95, 0.85), 0.9)  # fmt: skip
        canvas.glow(moon(x, y, 0.10), light.lamp, 0.05)
        return
    canvas.glow(circle(x, y, 0.09), light.lamp, 0.05)
    cloud_x = canvas.x - np.float32((1 - side) * canvas.x[0, -1])
    puffs = [circle(cloud_x - np.float32(dx), canvas.y - np.float32(dy), size)
             for dx, dy, size in ((-0.10, 0.21, 0.055), (0.0, 0.18, 0.08), (0.10, 0.205, 0.06))]  # fmt: skip
    canvas.form(np.minimum.reduce(puffs), (0.97, 0.98, 1.0), 0.08)


def _paint_hills(canvas: Canvas, horizon: float, light: Light, rng: np.random.Generator) -> None:
    for depth, (lift, near) in enumerate(((-0.07, (0.44, 0.66, 0.40)), (0.02, (0.36, 0.64, 0.30)))):
        wave = _wave(canvas, rng, 0.05, 0.9 + 0.3 * depth)
        far = light.on(near[0] * 1.25, near[1] * 1.2, near[2] * 1.3)
        canvas.ground(horizon + lift + wave - canvas.y, light.on(*near), far)


def _paint_mountains(canvas: Canvas, horizon: float, light: Light, rng: np.random.Generator) -> None:
    for middle, height in ((0.25, 0.30), (0.78, 0.26), (0.5, 0.38)):
        at = np.float32(middle * canvas.x[0, -1] + rng.normal(0, 0.03))
        peak = np.float32(horizon + 0.04 - height)
        slope = np.abs(canvas.x - at) * np.float32(0.95) + peak - canvas.y
        canvas.form(slope * np.float32(0.72), light.on(0.52, 0.54, 0.63), 0.16)
        zigzag = np.abs(np.mod((canvas.x - at) * np.float32(14) + np.float32(0.5), 1) - np.float32(0.5))
        snowline = canvas.y - peak - np.float32(0.10) - zigzag * np.float32(0.07)
        canvas.mark(np.maximum(slope * np.float32(0.72) + np.float32(0.012), snowline), light.on(0.97, 0.97, 1.0))
    wave = _wave(canvas, rng, 0.02, 1.3)
    canvas.ground(horizon + 0.02 + wave - canvas.y, light.on(0.34, 0.54, 0.34), light.on(0.46, 0.66, 0.42))


def _paint_sea(canvas: Canvas, horizon: float, light: Light, rng: np.random.Generator) -> None:
    level = np.float32(horizon) + 0 * canvas.x - canvas.y
    canvas.ground(level, light.on(0.10, 0.36, 0.66), light.on(0.34, 0.66, 0.84))
    for row in range(4):
        y = canvas.y - np.float32(horizon + 0.07 + 0.085 * row)
        x = canvas.x - np.float32(rng.uniform(0.1, 0.9) * canvas.x[0, -1])
        canvas.mark(box(x, y, 0.06 + 0.025 * row, 0.006, 0.006), light.on(0.80, 0.92, 0.98), 0.75)


def _paint_desert(canvas: Canvas, horizon: float, light: Light, rng: np.random.Generator) -> None:
    for depth, (lift, near) in enumerate(((-0.03, (0.90, 0.68, 0.42)), (0.10, (0.84, 0.58, 0.32)))):
        wave = _wave(canvas, rng, 0.035, 0.8 + 0.3 * depth)
        canvas.ground(horizon + lift + wave - canvas.y, light.on(*near), light.on(0.97, 0.82, 0.56))


def _paint_snow(canvas: Canvas, horizon: float, light: Light, rng: np.random.Generator) -> None:
    for lift, near in ((-0.05, (0.80, 0.86, 0.94)), (0.04, (0.86, 0.90, 0.96))):
        wave = _wave(canvas, rng, 0.035, 1.0)
        canvas.ground(horizon + lift + wave - canvas.y, light.on(*near), light.on(0.97, 0.98, 1.0))


def _paint_house(canvas: Canvas, at: float, floor: float, light: Light) -> None:
    x, y = canvas.x - np.float32(at), canvas.y - np.float32(floor)
    canvas.form(box(x, y + np.float32(0.085), 0.115, 0.085), light.on(0.96, 0.88, 0.74), 0.09)
    roof = np.maximum((np.abs(x) - (y + np.float32(0.31)) * np.float32(1.15)) * np.float32(0.66),
                      y + np.float32(0.165))  # fmt: skip
    canvas.form(roof, light.on(0.84, 0.28, 0.24), 0.07)
    canvas.mark(box(x - np.float32(0.04), y + np.float32(0.05), 0.026, 0.05), light.on(0.48, 0.30, 0.20))
    dark = light.tint[0] < 0.5  # noqa: PLR2004 - a lamp is lit at night
    window = (1.0, 0.86, 0.40) if dark else light.on(0.45, 0.66, 0.86)
    canvas.mark(box(x + np.float32(0.05), y + np.float32(0.10), 0.03, 0.03), window)


def _paint_tree(canvas: Canvas, at: float, floor: float, light: Light) -> None:
    x, y = canvas.x - np.float32(at), canvas.y - np.float32(floor)
    canvas.form(box(x, y + np.float32(0.07), 0.022, 0.08), light.on(0.50, 0.33, 0.20), 0.04)
    crown = [circle(x - np.float32(dx), y + np.float32(dy), size)
             for dx, dy, size in ((-0.07, 0.19, 0.075), (0.07, 0.19, 0.075), (0.0, 0.26, 0.09))]  # fmt: skip
    canvas.form(np.minimum.reduce(crown), light.on(0.26, 0.60, 0.28), 0.11)


def _paint_boat(canvas: Canvas, at: float, floor: float, light: Light) -> None:
    x, y = canvas.x - np.float32(at), canvas.y - np.float32(floor)
    sail = np.maximum((x * np.float32(1.9) - y - np.float32(0.33)) * np.float32(0.46), -x + np.float32(0.0))
    canvas.form(np.maximum(sail, y + np.float32(0.075)), light.on(0.98, 0.96, 0.90), 0.09)
    canvas.form(box(x + np.float32(0.004), y + np.float32(0.18), 0.008, 0.15), light.on(0.46, 0.30, 0.20), 0.02)
    hull = np.maximum((np.abs(x) + y * np.float32(0.9) - np.float32(0.13)) * np.float32(0.74),
                      np.maximum(y - np.float32(0.02), -y - np.float32(0.05)))  # fmt: skip
    canvas.form(hull, light.on(0.80, 0.26, 0.22), 0.06)


def _paint_pyramid(canvas: Canvas, at: float, floor: float, light: Light) -> None:
    x, y = canvas.x - np.float32(at), canvas.y - np.float32(floor)
    body = np.maximum((np.abs(x) - (y + np.float32(0.27)) * np.float32(0.95)) * np.float32(0.72), y)
    canvas.form(body, light.on(0.93, 0.74, 0.44), 0.14)


def _wave(canvas: Canvas, rng: np.random.Generator, height: float, cycles: float) -> Field:
    """A rolling skyline of about so many cycles."""
    start, slant = rng.uniform(0, 2 * np.pi, 2)
    first = np.sin(canvas.x * np.float32(2 * np.pi * cycles) + np.float32(start))
    second = np.sin(canvas.x * np.float32(4.6 * np.pi * cycles) + np.float32(slant))
    return (first + np.float32(0.35) * second) * np.float32(height)


def _places() -> dict[str, Callable[[Canvas, float, Light, np.random.Generator], None]]:
    return {
        "hills": _paint_hills,
        "mountains": _paint_mountains,
        "sea": _paint_sea,
        "desert": _paint_desert,
        "snow": _paint_snow,
    }


def _features() -> dict[str, Callable[[Canvas, float, float, Light], None]]:
    return {"house": _paint_house, "tree": _paint_tree, "boat": _paint_boat, "pyramid": _paint_pyramid}
