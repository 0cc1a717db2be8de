"""The world the miniature draws: captioned pictures from a seed, in two styles."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from models.vocabulary import Combination, Ink, Rgb, read_vocabulary
from tools.miniature.canvas import Canvas, NaturalCanvas, Pixels, StudioCanvas
from tools.miniature.landscapes import paint_landscape
from tools.miniature.scenes import Captioned, Scene, Still, Thing, draw_scene
from tools.miniature.shapes import shapes

Style: TypeAlias = Literal["natural", "studio"]

NATIVE = 128


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of the world, height × width × 3 bytes, and its caption."""

    caption: str
    pixels: Pixels
    scene: Scene


def draw_example(
    seed: int, *, style: Style = "natural", held_out: frozenset[Combination] = frozenset(), size: int = NATIVE
) -> Example:
    """The example of a seed: the same scene in either style."""
    captioned = draw_scene(np.random.default_rng(seed), held_out=held_out)
    caption = captioned.caption if style == "natural" else in_studio_style(captioned.caption)
    return Example(caption, paint(captioned.scene, style=style, width=size, height=size), captioned.scene)


def paint_captioned(captioned: Captioned, *, style: Style = "natural", size: int = NATIVE) -> Example:
    """An example of a scene made elsewhere."""
    return Example(captioned.caption, paint(captioned.scene, style=style, width=size, height=size), captioned.scene)


def in_studio_style(caption: str) -> str:
    """The caption of the same scene in the LoRA's style."""
    return f"{read_vocabulary().trigger}, {caption}"


def paint(scene: Scene, *, style: Style = "natural", width: int = NATIVE, height: int = NATIVE) -> Pixels:
    """Paint a scene."""
    canvas: Canvas = NaturalCanvas(width, height) if style == "natural" else StudioCanvas(width, height)
    if isinstance(scene, Still):
        _paint_still(canvas, scene, style)
    else:
        paint_landscape(canvas, scene)
    return canvas.pixels()


def _paint_still(canvas: Canvas, scene: Still, style: Style) -> None:
    inks = read_vocabulary().inks
    ground = _of(inks[scene.background], style)
    if style == "natural":
        lifted = tuple(part + 0.10 * (1 - part) for part in ground)
        canvas.wash((lifted[0], lifted[1], lifted[2]), ground)
    else:
        canvas.wash(ground, ground)
    for thing in scene.things:
        _paint_thing(canvas, thing, _of(inks[thing.colour], style))


def _paint_thing(canvas: Canvas, thing: Thing, colour: Rgb) -> None:
    x = canvas.x - np.float32(thing.x * (canvas.x[0, 0] + canvas.x[0, -1]))
    y = canvas.y - np.float32(thing.y * (canvas.y[0, 0] + canvas.y[-1, 0]))
    cos, sin = np.float32(np.cos(thing.turn)), np.float32(np.sin(thing.turn))
    distance = shapes()[thing.shape](x * cos + y * sin, y * cos - x * sin, thing.radius)
    canvas.form(distance, colour, thing.radius)


def _of(ink: Ink, style: Style) -> Rgb:
    return ink.natural if style == "natural" else ink.studio
