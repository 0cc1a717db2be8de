"""A figure that may be some moments old, so that many who ask cost one reading."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Fresh(Generic[_T]):
    """Reads at most once in `seconds`. Any thread may call; one reads, and the others wait for it."""

    def __init__(self, read: Callable[[], _T], monotonic: Callable[[], float], seconds: float) -> None:
        self._read = read
        self._monotonic = monotonic
        self._seconds = seconds
        self._lock = Lock()
        self._held: tuple[float, _T] | None = None

    def __call__(self) -> _T:
        """Return the figure. Raises what reading raises."""
        with self._lock:
            now = self._monotonic()
            if self._held is None or now - self._held[0] >= self._seconds:
                self._held = (now, self._read())
            return self._held[1]
