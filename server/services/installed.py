"""The weights that lie where this process can see them. Workers elsewhere may have others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Final

from models.memory_estimate import MemoryEstimate, Sizes, equipment_of, estimate_memory, read_sizes
from models.tokens import ClipTokenizer, tokenizers_of
from models.weights import WeightSet


@dataclass(frozen=True, slots=True)
class DrawingSettings:
    """What the operator has set of how engines draw; workers elsewhere may have other settings."""

    device: str = "auto"
    dtype: str = "auto"
    batch_rows: int = 2


_NONE: Final[Mapping[str, WeightSet]] = MappingProxyType({})


class Installed:
    """Weights by model, their sizes and tokenizers, read when they are first needed. Any thread may ask."""

    def __init__(self, weights: Mapping[str, WeightSet] = _NONE, drawing: DrawingSettings | None = None) -> None:
        self._weights = weights
        self._drawing = drawing or DrawingSettings()
        self._sizes: dict[tuple[Path, Path | None, Path | None], Sizes | None] = {}
        self._tokenizers: dict[Path, Sequence[ClipTokenizer]] = {}
        self._lock = Lock()

    def weights_of(self, model: str) -> WeightSet | None:
        """Return what the model is drawn with; None: nothing of it lies here."""
        return self._weights.get(model)

    def tokenizers_of(self, model: str) -> Sequence[ClipTokenizer]:
        """Return the tokenizers of the model's text encoders; none where they can't be seen."""
        weights = self._weights.get(model)
        if weights is None:
            return ()
        with self._lock:
            if weights.base_folder not in self._tokenizers:
                self._tokenizers[weights.base_folder] = tokenizers_of(weights)
            return self._tokenizers[weights.base_folder]

    def memory_for(self, model: str, size: tuple[int, int], rows: int, device: str | None) -> MemoryEstimate | None:
        """Estimate what drawing takes; None where the weights can't be seen.

        `rows` are a sample's in a forward, `device` is how a worker that is there names its own.
        """
        weights = self._weights.get(model)
        sizes = None if weights is None else self._sizes_of(weights)
        if sizes is None:
            return None
        asked = self._drawing
        equipment = equipment_of(asked.device, asked.dtype, asked.batch_rows, device)
        return estimate_memory(sizes, equipment, size, rows)

    def _sizes_of(self, weights: WeightSet) -> Sizes | None:
        key = (weights.base, weights.refiner, weights.vae)
        with self._lock:
            if key not in self._sizes:
                try:
                    self._sizes[key] = read_sizes(weights)
                except (OSError, ValueError, LookupError):  # loading will say what is wrong
                    self._sizes[key] = None
            return self._sizes[key]
