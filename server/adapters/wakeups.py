"""Wake-ups inside one process: whoever writes tells whoever waits to look at once."""

from collections.abc import Callable


class LocalWakeups:
    """Calls every listener, in the thread that wakes."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def wake(self) -> None:
        """Call every listener."""
        for listener in tuple(self._listeners):
            listener()

    def listen(self, callback: Callable[[], None]) -> None:
        """Add a listener for the life of the process."""
        self._listeners.append(callback)

    def close(self) -> None:
        """Do nothing: no thread stands behind it."""
