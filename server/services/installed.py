"""The weights that lie where this process can see them. Workers elsewhere may have others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Final

from models.tokens import ClipTokenizer, tokenizers_of
from models.weights import WeightSet

_NONE: Final[Mapping[str, WeightSet]] = MappingProxyType({})


class Installed:
    """Weights by model, and the tokenizers that came with them, read when they are first needed. Any thread may ask."""

    def __init__(self, weights: Mapping[str, WeightSet] = _NONE) -> None:
        self._weights = weights
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
