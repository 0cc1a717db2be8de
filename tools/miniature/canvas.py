"""Two ways to paint the same forms: in soft natural light, and in the flat outlined manner of studio animation.

Forms are distances (see `shapes`), so that edges are anti-aliased, outlined, shaded and give shadows at little cost.
"""

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import Rgb
from tools.miniature.shapes import Field

Pixels: TypeAlias = NDArray[np.uint8]

# towards the light, up and to the left
_LIGHT = (-0.6, -0.8)


class Canvas(Protocol):
    """What a scene is painted on."""

    x: Field
    y: Field

    def wash(self, top: Rgb, bottom: Rgb, horizon: float = 1.0) -> None:
        """Cover everything, from one colour above to another at the horizon."""
        ...

    def form(self, distance: Field, colour: Rgb, radius: float) -> None:
        """Paint a body of about this radius, with light and shadow."""
        ...

    def ground(self, distance: Field, near: Rgb, far: Rgb) -> None:
        """Paint a stretch of land or water that reaches the lower edge, paler where it is far."""
        ...

    def glow(self, distance: Field, colour: Rgb, reach: float) -> None:
        """Paint something that shines."""
        ...

    def mark(self, distance: Field, colour: Rgb, opacity: float = 1.0) -> None:
        """Paint a flat detail."""
        ...

    def pixels(self) -> Pixels:
        """The picture, height × width × 3."""
        ...


class _Surface:
    """Places and pixels, and the mixing of a colour into them."""

    def __init__(self, width: int, height: int) -> None:
        self.unit = min(width, height)
        self.x: Field = ((np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(self.unit))[None, :]
        self.y: Field = ((np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(self.unit))[:, None]
        self._image = np.zeros((3, height, width), np.float32)

    def mark(self, distance: Field, colour: Rgb, opacity: float = 1.0) -> None:
        """Paint a flat detail."""
        self._blend(_column(colour), self._cover(distance) * np.float32(opacity))

    def pixels(self) -> Pixels:
        """The picture, height × width × 3."""
        bytes_ = (np.clip(self._image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        return np.ascontiguousarray(bytes_.transpose(1, 2, 0))

    def _blend(self, colour: Field, cover: Field) -> None:
        self._image += (colour - self._image) * cover

    def _cover(self, distance: Field, grow: float = 0.0) -> Field:
        """How much of each pixel lies inside the edge, moved outwards by `grow`."""
        return np.clip(np.float32(0.5) - (distance - np.float32(grow)) * np.float32(self.unit), 0, 1)

    def _shifted(self, distance: Field, right: float, down: float) -> Field:
        """The distance to the same form moved, in whole pixels."""
        dx, dy = round(right * self.unit), round(down * self.unit)
        padded = np.pad(distance, ((max(dy, 0), max(-dy, 0)), (max(dx, 0), max(-dx, 0))), mode="edge")
        height, width = distance.shape
        return padded[max(-dy, 0) :, max(-dx, 0) :][:height, :width]


class NaturalCanvas(_Surface):
    """Soft light from the upper left, gentle gradients, soft shadows."""

    def wash(self, top: Rgb, bottom: Rgb, horizon: float = 1.0) -> None:
        """Cover everything, from one colour above to another at the horizon."""
        down = np.clip(self.y / np.float32(horizon), 0, 1)
        sideways = (self.x - self.x.mean()) * np.float32(-0.05)
        self._image[:] = _column(top) + (_column(bottom) - _column(top)) * (down + sideways)
        self._image *= 1 - np.float32(0.10) * ((self.x - self.x.mean()) ** 2 + (self.y - self.y.mean()) ** 2) * 2

    def form(self, distance: Field, colour: Rgb, radius: float) -> None:
        """Paint a body of about this radius, with light and shadow."""
        cast = self._shifted(distance, 0.17 * radius, 0.24 * radius)
        self._image *= 1 - np.float32(0.26) * _smooth(cast, 0.16 * radius, -0.22 * radius)
        self._blend(_toned(colour, self._tone(distance, radius)), self._cover(distance))

    def ground(self, distance: Field, near: Rgb, far: Rgb) -> None:
        """Paint land or water down to the lower edge, paler where it is far."""
        depth = np.clip(-distance * np.float32(2.6), 0, 1)
        rim = np.float32(0.07) * np.exp(distance * np.float32(26))
        colour = _column(far) + (_column(near) - _column(far)) * depth + rim
        self._blend(colour, self._cover(distance))

    def glow(self, distance: Field, colour: Rgb, reach: float) -> None:
        """Paint something that shines."""
        halo = np.exp(-np.maximum(distance, 0) * np.float32(1 / reach)) * np.float32(0.45)
        self._blend(_column(colour), halo)
        self.mark(distance, colour)

    def _tone(self, distance: Field, radius: float) -> Field:
        """Light (positive) and shade on a pillow of this outline."""
        slope_y, slope_x = np.gradient(distance, np.float32(1 / self.unit))
        facing = slope_x * np.float32(_LIGHT[0]) + slope_y * np.float32(_LIGHT[1])
        edge = np.clip(1 + distance * np.float32(1 / (0.42 * radius)), 0, 1)
        deep = np.clip(-distance * np.float32(1 / radius), 0, 1)
        return np.float32(0.34) * facing * edge * edge + np.float32(0.10) * deep


class StudioCanvas(_Surface):
    """Bold dark outlines, flat saturated colours, one hard step of shade."""

    _OUTLINE: Rgb = (0.07, 0.05, 0.10)
    _HALF_WIDTH = 0.014

    def wash(self, top: Rgb, bottom: Rgb, horizon: float = 1.0) -> None:
        """Cover everything, from one colour above to another at the horizon."""
        bands = np.minimum(np.floor(self.y * np.float32(2 / horizon)), 1)
        self._image[:] = _column(top) + (_column(bottom) - _column(top)) * bands

    def form(self, distance: Field, colour: Rgb, radius: float) -> None:
        """Paint a body of about this radius, with light and shadow."""
        inside = self._cover(distance)
        self._blend(_column(colour), inside)
        towards = self._shifted(distance, _LIGHT[0] * 0.22 * radius, _LIGHT[1] * 0.22 * radius)
        self._blend(_column(_shade(colour)), inside * (1 - self._cover(towards)))
        self._outline(distance)

    def ground(self, distance: Field, near: Rgb, far: Rgb) -> None:
        """Paint land or water down to the lower edge, paler where it is far."""
        self.mark(distance, far)
        self.mark(distance + np.float32(0.07), near)
        self._outline(distance)

    def glow(self, distance: Field, colour: Rgb, reach: float) -> None:
        """Paint something that shines."""
        self.mark(distance - np.float32(reach), colour, 0.35)
        self.mark(distance, colour)
        self._outline(distance)

    def _outline(self, distance: Field) -> None:
        self._blend(_column(self._OUTLINE), self._cover(np.abs(distance), self._HALF_WIDTH))


def _column(colour: Rgb) -> Field:
    return np.array(colour, np.float32)[:, None, None]


def _toned(colour: Rgb, tone: Field) -> Field:
    column = _column(colour)
    return column * (1 + np.minimum(tone, 0) * np.float32(1.15)) + (1 - column) * np.maximum(tone, 0)


def _shade(colour: Rgb) -> Rgb:
    red, green, blue = colour
    return 0.70 * red, 0.66 * green, 0.76 * blue


def _smooth(values: Field, start: float, end: float) -> Field:
    part = np.clip((values - np.float32(start)) * np.float32(1 / (end - start)), 0, 1)
    return part * part * (3 - 2 * part)
