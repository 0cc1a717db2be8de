"""Pictures of the world painted ahead, so that training waits for no painter."""

import json
from pathlib import Path

import numpy as np
import torch

from models.vocabulary import read_vocabulary
from tools.miniature.canvas import Pixels
from tools.miniature.world import NATIVE, Style, draw_example

# seeds of training pictures start here; those below are for looking and measuring
FIRST_TRAINING_SEED = 1_000_000


def painted(folder: Path, count: int, *, style: Style) -> tuple[Pixels, list[str]]:
    """The first `count` training pictures of a style, (count, 128, 128, 3), and their captions; kept in `folder`."""
    pixels_path, captions_path = folder / f"{style}-{count}.npy", folder / f"{style}-{count}.json"
    if not captions_path.exists():
        _paint(pixels_path, captions_path, count, style)
    pixels: Pixels = np.load(pixels_path, mmap_mode="r")
    captions: list[str] = json.loads(captions_path.read_text(encoding="utf-8"))
    return pixels, captions


def measuring_pictures(count: int, *, style: Style) -> torch.Tensor:
    """Pictures that no training shows, as a tensor (count, 3, 128, 128) of -1 to 1."""
    return as_tensor(np.stack([draw_example(seed, style=style).pixels for seed in range(count)]))


def as_tensor(pixels: Pixels) -> torch.Tensor:
    """Bytes (…, height, width, 3) to (…, 3, height, width) of -1 to 1."""
    return torch.from_numpy(np.array(pixels)).movedim(-1, -3).float().div(127.5).sub(1)


def as_pixels(images: torch.Tensor) -> Pixels:
    """The way back from `as_tensor`."""
    pixels: Pixels = images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).movedim(-3, -1).numpy()
    return pixels


def _paint(pixels_path: Path, captions_path: Path, count: int, style: Style) -> None:
    pixels_path.parent.mkdir(parents=True, exist_ok=True)
    held_out = read_vocabulary().held_out()
    pixels = np.lib.format.open_memmap(pixels_path, mode="w+", dtype=np.uint8, shape=(count, NATIVE, NATIVE, 3))
    captions: list[str] = []
    for index in range(count):
        example = draw_example(FIRST_TRAINING_SEED + index, style=style, held_out=held_out)
        pixels[index] = example.pixels
        captions.append(example.caption)
    pixels.flush()
    captions_path.write_text(json.dumps(captions), encoding="utf-8")
