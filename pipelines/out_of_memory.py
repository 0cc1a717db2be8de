"""When memory runs out: what is tried instead, and which size to name when nothing helps.

The exception is let go of before anything else is tried: its traceback holds the frames, and they hold the tensors.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import torch

from pipelines.device import DeviceMemory
from pipelines.errors import NothingFits, is_out_of_memory

Result = TypeVar("Result")

_GRID: Final = 64
_CERTAINLY_LESS: Final = 0.9


def first_that_fits(attempts: Sequence[Callable[[], Result]], memory: DeviceMemory) -> Result:
    """Run the attempts in turn until one doesn't run out of memory; before each but the first, memory is released.

    Where that gave something up, the same attempt comes again: else what was kept from earlier generations would decide
    how this one is drawn.

    Raises:
        NothingFits: all did.
    """
    for attempt in attempts:
        again = True
        while again:
            try:
                return attempt()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            again = memory.release()
    raise NothingFits("The device ran out of memory.")


def in_narrower_batches(run: Callable[[slice], torch.Tensor], rows: int, memory: DeviceMemory) -> torch.Tensor:
    """Run a micro-batch of `rows` at once, or where memory doesn't hold it in halves, quarters, … single rows.

    Raises:
        NothingFits: a single row doesn't fit either.
    """
    widths = [rows]
    while widths[-1] > 1:
        widths.append((widths[-1] + 1) // 2)

    def attempt(width: int) -> torch.Tensor:
        parts = [run(slice(begin, begin + width)) for begin in range(0, rows, width)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    return first_that_fits([lambda width=width: attempt(width) for width in widths], memory)


def too_large(width: int, height: int, bytes_per_pixel: float, memory: DeviceMemory) -> NothingFits:
    """Make the error for a picture that memory doesn't hold: its sentence names the size that should fit."""
    sentence = f"The device ran out of memory at {width} × {height}"
    fits = fitting_size(width, height, bytes_per_pixel, memory.free_bytes())
    advice = f"about {fits[0]} × {fits[1]} should fit" if fits else "no smaller size would fit beside what is loaded"
    return NothingFits(f"{sentence}; {advice}.")


def fitting_size(width: int, height: int, bytes_per_pixel: float, free_bytes: int | None) -> tuple[int, int] | None:
    """Return the largest size of about the same shape that `free_bytes` should hold; None if that is next to nothing.

    Where nobody can say how much is free, half the pixels are a guess.
    """
    pixels = width * height
    affordable = pixels / 2 if free_bytes is None else min(free_bytes / bytes_per_pixel, pixels * _CERTAINLY_LESS)
    factor = math.sqrt(max(affordable, 0) / pixels)
    size = int(width * factor) // _GRID * _GRID, int(height * factor) // _GRID * _GRID
    return size if min(size) >= _GRID else None
