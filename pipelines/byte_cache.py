"""A cache bounded by bytes that forgets what was used longest ago."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """Values by key, together at most `most_bytes` large. For one thread."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """Return what was put under `key` and is still held; it now counts as used last."""
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key][0]

    def put(self, key: Hashable, value: Value, nbytes: int) -> None:
        """Hold a value, letting go of others as far as needed; one larger than all is not held."""
        self.drop(key)
        if nbytes > self.most_bytes:
            return
        self.make_room(nbytes)
        self._held[key] = (value, nbytes)
        self.held_bytes += nbytes

    def make_room(self, nbytes: int) -> None:
        """Let go of values until `nbytes` more would fit."""
        while self._held and self.held_bytes + nbytes > self.most_bytes:
            self.drop(next(iter(self._held)))

    def drop(self, key: Hashable) -> None:
        """Let go of one value, if it is held."""
        if key in self._held:
            self.held_bytes -= self._held.pop(key)[1]

    def clear(self) -> None:
        """Let go of all."""
        self._held.clear()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._held)
