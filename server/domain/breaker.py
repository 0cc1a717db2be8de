"""Which receivers are let rest: one that gives no answer must not hold up those that do."""

from collections import OrderedDict
from typing import Final

_RESTS_AFTER: Final = 3
_FIRST_REST: Final = 5.0
_LONGEST_REST: Final = 60.0
_REMEMBERED: Final = 1000


class Breaker:
    """Counts attempts without an answer, per endpoint. Forgets an endpoint at its first answer."""

    def __init__(self) -> None:
        self._silent: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def heard(self, endpoint: str) -> None:
        """The endpoint answered, whatever it said."""
        self._silent.pop(endpoint, None)

    def missed(self, endpoint: str, now: float) -> None:
        """The endpoint gave no answer; from the third time in a row on it rests, twice as long each time."""
        count = self._silent.pop(endpoint, (0, 0.0))[0] + 1
        rest = min(_FIRST_REST * 2.0 ** min(count - _RESTS_AFTER, 8), _LONGEST_REST) if count >= _RESTS_AFTER else 0.0
        self._silent[endpoint] = (count, now + rest)
        if len(self._silent) > _REMEMBERED:
            self._silent.popitem(last=False)

    def suspects(self) -> frozenset[str]:
        """Endpoints whose last attempt had no answer."""
        return frozenset(self._silent)

    def resting(self, now: float) -> frozenset[str]:
        """Endpoints that nothing is sent to now; what they are owed waits and loses no attempt."""
        return frozenset(endpoint for endpoint, (_, until) in self._silent.items() if until > now)
