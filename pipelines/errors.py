"""What can go wrong in one generation, and what of it is the end of the process."""

import torch

from pipelines.contract import EngineDefunct


class GenerationError(Exception):
    """This generation can't be drawn; the message is one sentence for people."""


class NothingFits(GenerationError):
    """Whatever was tried ran out of memory."""


def reason_for(error: Exception) -> str:
    """Say in one sentence what an unforeseen error in a generation was.

    Raises:
        EngineDefunct: the error poisons the CUDA context, so that nothing can be drawn in this process any more.
    """
    text = str(error)
    if is_out_of_memory(error):
        return "The device ran out of memory; fewer pixels may fit."
    if "CUDA error" in text or "device-side assert" in text:
        raise EngineDefunct(f"The CUDA device is unusable: {_first_line(text)}") from error
    return f"The engine failed with {type(error).__name__}: {_first_line(text)}"


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the device or beside it."""
    # torch's allocator for host memory raises a bare RuntimeError
    return isinstance(error, torch.OutOfMemoryError | MemoryError | NothingFits) or "not enough memory" in str(error)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0] or "no message"
