"""The shapes as signed distance functions: how far each place lies outside (positive) or inside (negative) an edge.

Coordinates are in parts of the picture's shorter side, x to the right and y downwards; `radius` is a shape's size.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]


def circle(x: Field, y: Field, radius: float) -> Field:
    """A disc."""
    return np.hypot(x, y) - np.float32(radius)


def box(x: Field, y: Field, half_width: float, half_height: float, round_by: float = 0.0) -> Field:
    """A rectangle with rounded corners."""
    dx = np.abs(x) - np.float32(half_width - round_by)
    dy = np.abs(y) - np.float32(half_height - round_by)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(round_by)


def square(x: Field, y: Field, radius: float) -> Field:
    """A square with slightly rounded corners."""
    return box(x, y, 0.84 * radius, 0.84 * radius, 0.09 * radius)


def triangle(x: Field, y: Field, radius: float) -> Field:
    """An equilateral triangle that points up, slightly rounded."""
    inner = 0.46 * radius
    slant = np.abs(x) * np.float32(math.cos(math.pi / 6)) - (y - np.float32(0.18 * radius)) * np.float32(0.5)
    floor = y - np.float32(0.18 * radius)
    return _soft_max(slant, floor, 0.06 * radius) - np.float32(inner)


def star(x: Field, y: Field, radius: float) -> Field:
    """A five-pointed star, one point up."""
    outer, ratio = 1.08 * radius, 0.48
    c1, s1 = np.float32(math.cos(math.pi / 5)), np.float32(math.sin(math.pi / 5))
    px, py = np.abs(x), -y - np.float32(0.04 * radius) + np.float32(0.04 * radius)
    fold = np.maximum(px * c1 - py * s1, 0) * 2
    px, py = px - fold * c1, py + fold * s1
    fold = np.maximum(-px * c1 - py * s1, 0) * 2
    px, py = np.abs(px + fold * c1), py + fold * s1
    py = py - np.float32(outer)
    ex, ey = np.float32(ratio * math.sin(math.pi / 5)), np.float32(ratio * math.cos(math.pi / 5) - 1)
    along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, np.float32(outer))
    side = np.sign(py * ex - px * ey)
    return np.hypot(px - ex * along, py - ey * along) * side - np.float32(0.04 * radius)


def heart(x: Field, y: Field, radius: float) -> Field:
    """A heart, its tip down."""
    scale = np.float32(1.62 * radius)
    px, py = np.abs(x) / scale, np.float32(0.56) - y / scale
    lobe = np.hypot(px - np.float32(0.25), py - np.float32(0.75)) - np.float32(math.sqrt(2) / 4)
    foot = np.maximum(px + py, 0) * np.float32(0.5)
    edge = np.minimum(np.hypot(px, py - 1), np.hypot(px - foot, py - foot)) * np.sign(px - py)
    return np.where(px + py > 1, lobe, edge) * scale


def moon(x: Field, y: Field, radius: float) -> Field:
    """A crescent, open to the right."""
    px = x - np.float32(0.16 * radius)
    disc = np.hypot(px, y) - np.float32(radius)
    bite = np.float32(0.82 * radius) - np.hypot(px - np.float32(0.56 * radius), y)
    return _soft_max(disc, bite, 0.03 * radius)


def shapes() -> Mapping[str, Callable[[Field, Field, float], Field]]:
    """The shapes by the word for them."""
    return _SHAPES


def _soft_max(one: Field, other: Field, blend: float) -> Field:
    """The greater of two distances, with the corner between them rounded."""
    overlap = np.maximum(np.float32(blend) - np.abs(one - other), 0)
    return np.maximum(one, other) + overlap * overlap * np.float32(0.25 / blend)


_SHAPES: Final[Mapping[str, Callable[[Field, Field, float], Field]]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
    "heart": heart,
    "moon": moon,
}
