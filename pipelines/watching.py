"""Which generations somebody looks at while they are drawn, and when the next look is due. No torch."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Look:
    interval: float
    due_at: float


class Watching:
    """Keeps the pace of previews: none for a generation that nobody asked to see, at most one per interval else."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._looks: dict[str, _Look] = {}

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Look at it each `interval` seconds at most, the first time at once; None: no longer."""
        known = self._looks.get(generation_id)
        if interval is None:
            self._looks.pop(generation_id, None)
        elif known is None:
            self._looks[generation_id] = _Look(interval, self._now())
        else:
            known.interval = interval

    def due(self, generation_id: str) -> bool:
        """Whether to look now; if so, the next look is due an interval from now."""
        look = self._looks.get(generation_id)
        if look is None or self._now() < look.due_at:
            return False
        look.due_at = self._now() + look.interval
        return True
