"""The time of this process."""

import time


class SystemClock:
    """Reads the system's clock."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()
