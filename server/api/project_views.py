"""How things stand, for a scope: queues, workers, what is drawn, what ended lately."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from server.api.project_frames import Opening, minute_wire, ready_frame, snapshot_wire, worker_wire
from server.api.wiring import Wiring
from server.domain.overview import LATE_SECONDS, Outcome, by_minute
from server.domain.types import WorkerId
from server.services.fresh import Fresh
from server.services.scope import Scope

HOUR: Final = 3600.0
_MOST_ENDED: Final = 20_000
_MOST_FAILURES: Final = 20
_MOST_HELD: Final = 500
_RECENT_SECONDS: Final = 60.0
_FRESH_SECONDS: Final = 0.8
_MISSED_BEATS: Final = 3
_FORGET_SECONDS: Final = 600.0


class ProjectViews:
    """Reads for all scopes at once what they have in common. Any thread may call."""

    def __init__(self, wiring: Wiring) -> None:
        monotonic = wiring.clock.monotonic
        self._overview = wiring.overview
        self._projects = wiring.projects
        self._silent_after = _MISSED_BEATS * wiring.heartbeat_seconds
        self._held = Fresh(lambda: self._overview.held(_MOST_HELD), monotonic, _FRESH_SECONDS)
        self._queues = Fresh(wiring.overview.queues, monotonic, _FRESH_SECONDS)
        self._workers = Fresh(lambda: wiring.registry.alive(_FORGET_SECONDS), monotonic, _FRESH_SECONDS)

    def opening(self, scope: Scope, name: str, since: float | None) -> tuple[str, float]:
        """Return the first frame of a stream, and from when on it is told (unix seconds).

        That is `since` where a client resumes, within the last hour; else now: less `LATE_SECONDS`, as every look is.
        """
        now = self._overview.queues().now
        start = now if since is None else min(max(since, now - HOUR), now)
        names = scope.names(self._projects)
        ended = self._overview.ended(list(names), now - HOUR, _MOST_ENDED)
        failures = [one for one in ended if one.outcome is Outcome.FAILED][-_MOST_FAILURES:]
        opening = Opening(
            name=name,
            operator=scope.everything,
            since=start - LATE_SECONDS,
            at=now,
            minutes=by_minute(ended),
            failures=failures,
        )
        return ready_frame(opening, names), start

    def snapshot(self, scope: Scope) -> dict[str, object]:
        """Return how things stand, with the last two minutes as they have become."""
        names = scope.names(self._projects)
        queues = self._queues()
        held = self._held()
        wire = snapshot_wire(
            at=queues.now,
            queues=queues.depths,
            held=[one for one in held if one.project_id in names],
            workers=self._seen(scope, Counter(one.worker_id for one in held)),
            names=names,
        )
        begin = (queues.now - _RECENT_SECONDS) // 60 * 60
        recent = by_minute(self._overview.ended(list(names), begin, _MOST_ENDED))
        return {**wire, "minutes": [minute_wire(minute) for minute in recent]}

    def _seen(self, scope: Scope, tasks: Mapping[WorkerId, int]) -> Sequence[object]:
        return [
            worker_wire(one, tasks.get(one.id, 0), silent_after=self._silent_after, host=scope.everything)
            for one in self._workers()
        ]
