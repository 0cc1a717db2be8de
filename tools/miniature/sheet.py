"""The contact sheet of the README: some prompts, each drawn by the base, with the refiner, and with the LoRA."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from models.vocabulary import read_vocabulary
from tools.miniature.evaluate import Painter, Settings

PROMPTS: Final = (
    "a large yellow star on a purple background",
    "a small red heart on a white background, left",
    "a teal moon on a black background, right",
    "an orange triangle on a blue background, top",
    "a pink circle left of a green square on a white background",
    "a white heart inside a red circle on a teal background",
    "a boat on the sea at sunset",
    "a house in mountains by day",
    "a tree in snow at night",
    "a pyramid in a desert at sunset",
)
WAYS: Final = (
    ("base", Settings(steps=30, refiner=False)),
    ("base + refiner", Settings(steps=30)),
    ("base + refiner + Studio-Trigger", Settings(steps=30, lora_weight=1.0)),
)
_CELL, _GAP, _HEAD, _TEXT = 128, 6, 30, 190
_PAPER, _INK = (250, 249, 246), (40, 40, 48)


def draw_sheet(painter: Painter, prompts: Sequence[str] = PROMPTS, seed: int = 7) -> Image.Image:
    """Draw every prompt in every way, from the same seed, and lay them out in two halves side by side."""
    half = -(-len(prompts) // 2)
    strip = _TEXT + len(WAYS) * (_CELL + _GAP)
    sheet = Image.new("RGB", (2 * strip + 3 * _GAP, _HEAD + half * (_CELL + _GAP) + _GAP), _PAPER)
    for number, prompt in enumerate(prompts):
        column, row = divmod(number, half)
        left, top = _GAP + column * (strip + _GAP), _HEAD + row * (_CELL + _GAP)
        _write(sheet, _wrapped(prompt, 24), (left + 4, top + _CELL // 2), "lm", 15)
        for place, (name, settings) in enumerate(WAYS):
            x = left + _TEXT + place * (_CELL + _GAP)
            sheet.paste(_drawn(painter, prompt, seed, settings), (x, top))
            if row == 0:
                _write(sheet, name.replace("base + refiner + ", "+ "), (x + _CELL // 2, _HEAD // 2), "mm", 14)
    return sheet


def _drawn(painter: Painter, prompt: str, seed: int, settings: Settings) -> Image.Image:
    asked = f"{read_vocabulary().trigger}, {prompt}" if settings.lora_weight else prompt
    return Image.fromarray(painter.draw(asked, seed, settings))


def _write(sheet: Image.Image, text: str, place: tuple[int, int], anchor: str, size: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size)
    if "\n" not in text:
        draw.text(place, text, _INK, font, anchor)
        return
    draw.multiline_text(place, text, _INK, font, anchor, spacing=5)


def _wrapped(text: str, width: int) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def main() -> None:
    """Write the sheet from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/miniature"))
    parser.add_argument("--to", type=Path, default=Path("docs/miniature.png"))
    options = parser.parse_args()
    draw_sheet(Painter(options.model)).save(options.to, optimize=True)


if __name__ == "__main__":
    main()
