"""Queue position and estimated start, as easel adds them to Wiro's shapes: strings, and absent where nobody knows."""

from typing import Final

from server.api.wire import Wire
from server.api.wiring import Wiring
from server.domain.expectation import Expectation
from server.domain.task import Task
from server.services.expect import EVERYBODY, expect

MOST_AHEAD: Final = 1000
"""For frames, of which thousands may be due at once: who stands further behind is not told."""

_MISSED_BEATS: Final = 3


def expectation_of(wiring: Wiring, task: Task, *, most: int = EVERYBODY) -> Expectation:
    """Return what is known of a queued task; reads the database."""
    return expect(wiring.queue, wiring.registry, task, alive_within=alive_within(wiring), most=most)


def alive_within(wiring: Wiring) -> float:
    """Return for how many seconds after its last beat a worker counts as alive."""
    return _MISSED_BEATS * wiring.heartbeat_seconds


def expectation_wire(expectation: Expectation) -> Wire:
    """Return `queueposition` (1 is next) and `estimatedstart` (unix seconds), as far as they are known."""
    known = {"queueposition": expectation.position, "estimatedstart": expectation.start}
    return {name: str(int(value)) for name, value in known.items() if value is not None}
