"""The time of this process."""

import time


class SystemClock:
    """Reads the system's clocks."""

    def now(self) -> float:
        """Return unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()
