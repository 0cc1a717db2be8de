"""Doing things every so often."""

from collections.abc import Callable


class Every:
    """True when called for the first time, and then at most once per `seconds`."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._due_at = monotonic()

    def __call__(self) -> bool:
        """Return whether it is time, and if so count from now."""
        now = self._monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + self._seconds
        return True

    def now(self) -> None:
        """Make the next call true."""
        self._due_at = self._monotonic()
