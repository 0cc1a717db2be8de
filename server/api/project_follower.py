"""A socket's interest in all tasks of a scope: a cursor into each task's log, and what is still to be told."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from server.api.outbox import Outbox
from server.api.project_frames import Names, task_frame
from server.domain.events import TERMINAL_EVENTS
from server.domain.overview import LATE_SECONDS, Happening, Heads, News
from server.domain.types import TaskId
from server.services.scope import Scope


@dataclass(slots=True, eq=False)
class ProjectFollower:
    """Which events of which tasks a socket has. For the event loop's thread.

    Commits come in another order than the times and ids that their rows bear. So nothing here trusts an order: every
    look goes back to `told_until` less `LATE_SECONDS`, and each task's cursor keeps from telling anything twice.
    `told_until` (unix seconds) moves only when all that a look found was told. `seen` are cursors that the client
    brought along. `turn_out` closes the socket, once nobody with its proof may watch any more.
    """

    scope: Scope
    outbox: Outbox
    turn_out: Callable[[], None]
    told_until: float
    seen: Mapping[TaskId, int] = field(default_factory=dict[TaskId, int])
    caught_up: bool = False
    _cursors: dict[TaskId, int] = field(default_factory=dict[TaskId, int])
    _over: set[TaskId] = field(default_factory=set[TaskId])
    _held: frozenset[TaskId] = frozenset()

    @property
    def looks_from(self) -> float:
        """From which time on a look must find what has changed."""
        return self.told_until - LATE_SECONDS

    def dropped_out(self, heads: Heads) -> set[TaskId]:
        """Return the tasks that a worker held at the last look and that this one found nowhere: they were requeued."""
        return {task_id for task_id in self._held if task_id not in heads.seqs and task_id not in self._over}

    def behind(self, seqs: Mapping[TaskId, int]) -> dict[TaskId, int]:
        """Return the cursors of the tasks of which there is more to tell."""
        return {task_id: cursor for task_id, seq in seqs.items() if (cursor := self._cursor(task_id)) < seq}

    def tell(self, news: Iterable[News], names: Names) -> bool:
        """Put what is new, in the order of its times, as far as there is room; return whether it was all."""
        lines = [(one, happening) for one in news for happening in one.happenings]
        lines.sort(key=lambda line: (line[1].at, line[0].id, line[1].seq))
        return all(self._put(one, happening, names) for one, happening in lines)

    def looked(self, heads: Heads) -> None:
        """All that this look found is told. What is over, and too old to be found again, is forgotten."""
        self.told_until = max(self.told_until, heads.now)
        self.caught_up = True
        self._held = heads.held
        for task_id in self._over - heads.seqs.keys():
            self._cursors.pop(task_id, None)
        self._over &= heads.seqs.keys()

    def _put(self, news: News, happening: Happening, names: Names) -> bool:
        if happening.seq <= self._cursor(news.id):
            return True
        if not self.outbox.room:
            return False
        self.outbox.put(task_frame(news, happening, names))
        self._cursors[news.id] = happening.seq
        if happening.type in TERMINAL_EVENTS:
            self._over.add(news.id)
        return True

    def _cursor(self, task_id: TaskId) -> int:
        return self._cursors.get(task_id, self.seen.get(task_id, 0))
