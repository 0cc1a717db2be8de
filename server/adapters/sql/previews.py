"""Previews in SQL: who wants to see which task, and the latest of each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, insert, literal, select, update

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import hold
from server.adapters.sql.preview_table import TASK_PREVIEWS
from server.adapters.sql.tables import TASKS
from server.domain.lifecycle import UNDRAWN, TaskStatus
from server.domain.preview import NewPreview, Preview
from server.domain.task import Lease
from server.domain.types import TaskId

_BOARD: Final = TASK_PREVIEWS.c
_SHOWN: Final = tuple(field.name for field in fields(NewPreview))
_COLUMNS: Final = tuple(_BOARD[field.name] for field in fields(Preview))
_NOTHING: Final = dict.fromkeys(("attempt", *_SHOWN))
_BEING_DRAWN: Final = and_(
    TASKS.c.id == _BOARD.task_id, TASKS.c.attempt == _BOARD.attempt, is_one_of(TASKS.c.status, [TaskStatus.START])
)
# Made once: they are run several times a second while somebody watches.
_VERSIONS: Final = select(_BOARD.task_id, _BOARD.version).where(
    _BOARD.task_id.in_(bindparam("task_ids", expanding=True)), _BOARD.jpeg.is_not(None), _BEING_DRAWN
)
_ASKED: Final = select(_BOARD.task_id).where(
    _BOARD.task_id.in_(bindparam("task_ids", expanding=True)), _BOARD.wanted_until > Now()
)

_FORGETTING: Final = delete(TASK_PREVIEWS).where(_BOARD.task_id == bindparam("this"))


class SqlPreviewBoard:
    """`PreviewBoard` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, task_ids: Collection[TaskId], seconds: float) -> None:
        """See `PreviewBoard.ask`."""
        undrawn = and_(TASKS.c.id.in_(sorted(task_ids)), is_one_of(TASKS.c.status, UNDRAWN))
        # Locked against their moves: one that ends now would forget its row before this one writes it.
        locked = select(TASKS.c.id).where(undrawn).order_by(TASKS.c.id).with_for_update(read=True)
        until = Now() + literal(float(seconds))

        def work(connection: Connection) -> None:
            found = list(connection.execute(locked).scalars())
            longer = update(TASK_PREVIEWS).where(_BOARD.task_id.in_(found)).values(wanted_until=until)
            known = set(connection.execute(longer.returning(_BOARD.task_id)).scalars())
            for task_id in found:
                if task_id not in known:
                    connection.execute(insert(TASK_PREVIEWS).values(task_id=task_id, wanted_until=until, version=0))

        if task_ids:
            self._database.write(work)

    def asked(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """See `PreviewBoard.asked`."""
        if not leases:
            return frozenset()
        task_ids = [lease.task_id for lease in leases]
        return self._database.read(
            lambda connection: frozenset(connection.execute(_ASKED, {"task_ids": task_ids}).scalars())
        )

    def show(self, lease: Lease, preview: NewPreview) -> None:
        """See `PreviewBoard.show`."""
        values = {name: getattr(preview, name) for name in _SHOWN} | {"attempt": lease.attempt}
        change = update(TASK_PREVIEWS).where(_BOARD.task_id == lease.task_id, _BOARD.wanted_until > Now())

        def work(connection: Connection) -> None:
            hold(connection, lease, [TaskStatus.START])
            connection.execute(change.values(**values, version=_BOARD.version + 1))

        self._database.write(work)

    def latest(self, seen: Mapping[TaskId, int]) -> Sequence[Preview]:
        """See `PreviewBoard.latest`."""

        def work(connection: Connection) -> Sequence[Preview]:
            versions = connection.execute(_VERSIONS, {"task_ids": list(seen)})
            news = [task_id for task_id, version in versions if version > seen[task_id]]
            if not news:
                return ()
            rows = connection.execute(select(*_COLUMNS).where(_BOARD.task_id.in_(news), _BEING_DRAWN))
            return [Preview(**row) for row in rows.mappings()]

        return self._database.read(work) if seen else ()


def forget_previews(connection: Connection, task_id: TaskId) -> None:
    """Take down what was shown of a task that is drawn, or will not be, and who wanted to see it."""
    connection.execute(_FORGETTING, {"this": task_id})


def clear_preview(connection: Connection, task_id: TaskId) -> None:
    """Take down what an attempt has shown; whoever watches goes on watching."""
    connection.execute(update(TASK_PREVIEWS).where(_BOARD.task_id == task_id).values(_NOTHING))
