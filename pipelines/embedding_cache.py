"""Embeddings that were made before: the same prompt is encoded once."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import torch

MOST_BYTES: Final = 64 * 2**20
"""On the text encoders' device: 200 short prompts of SDXL's base in float16, or six of the longest."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """A prompt, encoded: hidden (1, 77 × chunks, width), pooled (1, projection width). Never written to."""

    hidden: torch.Tensor
    pooled: torch.Tensor
    chunks: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.hidden.nbytes + self.pooled.nbytes


class EmbeddingCache:
    """Keeps the embeddings used last, up to so many bytes. An entry is never wrong: its key holds all that makes it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, Embeddings] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Hashable) -> Embeddings | None:
        """Return what was kept under that key."""
        found = self._entries.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return found

    def keep(self, key: Hashable, embeddings: Embeddings) -> None:
        """Keep embeddings, and forget those unused for longest; what is larger than the whole cache isn't kept."""
        if embeddings.size > self._most_bytes or key in self._entries:
            return
        self._entries[key] = embeddings
        self._bytes += embeddings.size
        while self._bytes > self._most_bytes:
            self._bytes -= self._entries.popitem(last=False)[1].size

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0
