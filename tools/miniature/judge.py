"""Says what a picture of one thing shows, by its colours and its outline. It learns nothing.

It is as good as its score on true pictures, which a test holds at 99 % or more.
"""

import functools
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.vocabulary import Rgb, read_vocabulary
from tools.miniature.canvas import Pixels
from tools.miniature.shapes import shapes

Mask: TypeAlias = NDArray[np.bool_]

_TEMPLATE: Final = 40
_LEAST_AREA: Final = 0.004
_DARK: Final = 80
_MIDDLE: Final = 0.07
_COARSE: Final = 3
_ENCLOSED: Final = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a picture shows: words of the vocabulary, "" where nothing is to be made out or the place is the middle."""

    colour: str
    shape: str
    background: str
    position: str


def look_at(pixels: Pixels) -> Verdict:
    """Judge a picture of at most one thing."""
    names = list(read_vocabulary().inks)
    owners = _name_pixels(pixels)
    background = int(_counts(_rim(owners)).argmax())
    colour, thing = _find_thing(owners, background)
    if thing.mean() < _LEAST_AREA:
        return Verdict(colour="", shape="", background=names[background], position="")
    return Verdict(
        colour=names[colour], shape=_shape_of(thing), background=names[background], position=_position_of(thing)
    )


def outline_measure(pixels: Pixels) -> float:
    """How outlined a picture is: the part of its edges, in 0 to 1, that have darkness on them and light on both sides.

    Meant for scenes without black, of which a natural picture has nearly none.
    """
    brightness = pixels.max(axis=2).astype(np.float32)
    # a dark line is what closing fills: brighter on both sides than in between
    lines = ndimage.grey_closing(brightness, size=(9, 9)) - brightness
    edges = ndimage.gaussian_gradient_magnitude(brightness, 1.0)
    drawn = (lines > _DARK) & (brightness < _DARK)
    near = ndimage.binary_dilation(drawn, iterations=3)
    weight = np.maximum(edges - 8, 0)
    share = float((weight * near).sum() / (weight.sum() + 1e-6))
    return share if drawn.mean() > 0.001 else 0.0  # noqa: PLR2004 - a few dark pixels are no line


def _name_pixels(pixels: Pixels) -> NDArray[np.int64]:
    """The number of the colour that each pixel is likest to."""
    red, green, blue = (pixels[..., channel] >> _COARSE for channel in range(3))
    named: NDArray[np.int64] = _colour_table()[red, green, blue]
    return named


@functools.cache
def _colour_table() -> NDArray[np.int64]:
    """The number of the colour for each red, green and blue, to a few bits."""
    steps = np.arange(256 >> _COARSE) << _COARSE
    every = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) + (1 << _COARSE) / 2
    tones, owners = _tones()
    places = every.astype(np.float32) @ _opponent()
    squares = (tones**2).sum(1)[None] - 2 * places @ tones.T
    table: NDArray[np.int64] = owners[squares.argmin(1)].reshape((len(steps),) * 3)
    return table


@functools.cache
def _tones() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """How each colour looks in light and shade, and whose look it is."""
    looks: list[Rgb] = []
    owners: list[int] = []
    for number, ink in enumerate(read_vocabulary().inks.values()):
        for rgb in (ink.natural, ink.studio):
            for tone in (-0.36, -0.26, -0.15, -0.07, 0.0, 0.07, 0.14, 0.22, 0.3):
                lit = tuple(part * (1 + tone) if tone < 0 else part + (1 - part) * tone for part in rgb)
                looks.append((lit[0], lit[1], lit[2]))
                owners.append(number)
    return (np.array(looks, np.float32) * 255) @ _opponent(), np.array(owners)


def _opponent() -> NDArray[np.float32]:
    """Brightness counts for less than hue: shade changes the one and hardly the other."""
    return np.array([[0.17, 0.7, 0.35], [0.17, -0.7, 0.35], [0.17, 0.0, -0.7]], np.float32)


def _find_thing(owners: NDArray[np.int64], background: int) -> tuple[int, Mask]:
    """The colour of what lies on the background, and where it lies."""
    counts = _counts(owners)
    counts[background] = 0
    colour = int(counts.argmax())
    thing = _largest_piece(owners == colour)
    within = _counts(owners[thing])
    within[[colour, background]] = 0
    # a colour enclosed by another, larger one is what an outline encloses
    if within.max() > _ENCLOSED * thing.sum():
        colour = int(within.argmax())
    return colour, thing


def _counts(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bincount(owners.ravel(), minlength=len(read_vocabulary().inks))


def _rim(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([values[:4].ravel(), values[-4:].ravel(), values[:, :4].ravel(), values[:, -4:].ravel()])


def _largest_piece(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    filled: Mask = ndimage.binary_fill_holes(labels == sizes.argmax())
    return filled


def _shape_of(thing: Mask) -> str:
    seen = _framed(thing)
    names, templates = _templates()
    both = (templates & seen).sum(axis=(1, 2))
    either = (templates | seen).sum(axis=(1, 2))
    return names[int((both / either).argmax())]


@functools.cache
def _templates() -> tuple[list[str], Mask]:
    """Each shape in a few turns, framed."""
    names: list[str] = []
    masks: list[Mask] = []
    y, x = np.mgrid[-0.5:0.5:128j, -0.5:0.5:128j].astype(np.float32)
    for name, shape in shapes().items():
        for turn in np.linspace(-0.2, 0.2, 9):
            cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            names.append(name)
            masks.append(_framed(shape(x * cos + y * sin, y * cos - x * sin, 0.3) < 0))
    return names, np.stack(masks)


def _framed(mask: Mask) -> Mask:
    """The mask cut to what it holds, at one size; the longer side fills the frame."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    side = max(height, width)
    steps = (np.arange(_TEMPLATE) + 0.5) / _TEMPLATE * side
    at_y = np.floor(steps - (side - height) / 2).astype(int)
    at_x = np.floor(steps - (side - width) / 2).astype(int)
    inside = ((at_y >= 0) & (at_y < height))[:, None] & ((at_x >= 0) & (at_x < width))[None]
    taken = mask[rows[0] + at_y.clip(0, height - 1)][:, columns[0] + at_x.clip(0, width - 1)]
    framed: Mask = taken & inside
    return framed


def _position_of(thing: Mask) -> str:
    rows, columns = np.flatnonzero(thing.any(1)), np.flatnonzero(thing.any(0))
    across = (columns[0] + columns[-1] + 1) / 2 / thing.shape[1] - 0.5
    down = (rows[0] + rows[-1] + 1) / 2 / thing.shape[0] - 0.5
    if max(abs(across), abs(down)) < _MIDDLE:
        return ""
    if abs(across) > abs(down):
        return "left" if across < 0 else "right"
    return "top" if down < 0 else "bottom"
