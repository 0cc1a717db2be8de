"""A change to a task's row and the lines of the log that tell of it: always written together."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from server.adapters.sql.json_text import to_json
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import TASK_EVENTS, TASKS, time_column
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus

Change: TypeAlias = Insert | Update
"""Of one task's row: it takes the events' numbers, and returns `id`, `attempt`, `last_seq` and their time `at`."""

_WRITING: Final = insert(TASK_EVENTS)
_COLUMNS: Final = ("task_id", "seq", "attempt", "type", "message", "at")
_TYPES: Final[BindParameter[Any]] = bindparam("line_types", type_=ARRAY(Text))
_MESSAGES: Final[BindParameter[Any]] = bindparam("line_messages", type_=ARRAY(Text))
_LINE: Final = (
    func.unnest(_TYPES, _MESSAGES).table_valued("type", "message", with_ordinality="number", name="line")
).render_derived("line")


def at_of(status: TaskStatus) -> ColumnElement[float]:
    """Return what a change that leads to `status` returns as the time of its events."""
    return TASKS.c[time_column(status)].label("at")


def change_and_log(
    connection: Connection, change: Change, given: Mapping[str, Any], events: Sequence[NewEvent]
) -> Row | None:
    """Make a change and write its events, the last of which has the row's `last_seq`; return the row, if there is one.

    PostgreSQL does it in one statement: to ask twice takes it longer than the work does. SQLite can't, and need not.
    """
    if connection.dialect.name == "postgresql":
        lines = {
            _TYPES.key: [event.type.value for event in events],
            _MESSAGES.key: [to_json(event.message) for event in events],
        }
        return connection.execute(_with_lines(change), {**given, **lines}).mappings().one_or_none()
    row = connection.execute(change, given).mappings().one_or_none()
    if row is not None:
        _write(connection, row, events)
    return row


def change_and_announce(
    connection: Connection, change: Change, given: Mapping[str, Any], status: TaskStatus
) -> Row | None:
    """Make a change that leads to a status and has no event but that one's; return the row, if there is one."""
    if connection.dialect.name == "postgresql":
        return connection.execute(_announced(change, status), given).mappings().one_or_none()
    return change_and_log(connection, change, given, [NewEvent(EventType.of(status))])


def announcing(change: Change, status: TaskStatus) -> tuple[CTE, CTE]:
    """Return PostgreSQL's `WITH` of a change, and of the event that says that it has led to a status."""
    changed = change.cte("changed")
    type_: ColumnElement[str] = literal_column(f"'{EventType.of(status).value}'", Text())
    return changed, _logged(changed, changed.c.last_seq, type_, literal_column("'null'"), changed)


@lru_cache(maxsize=64)  # a change is made once, and known by its identity
def _announced(change: Change, status: TaskStatus) -> Select[Any]:
    changed, logged = announcing(change, status)
    return select(changed).add_cte(logged)


@lru_cache(maxsize=256)
def _with_lines(change: Change) -> Select[Any]:
    changed = change.cte("changed")
    seq = changed.c.last_seq - func.cardinality(_TYPES) + _LINE.c.number
    both = changed.join(_LINE, onclause=true())
    return select(changed).add_cte(_logged(changed, seq, _LINE.c.type, _LINE.c.message, both))


def _logged(
    changed: CTE, seq: ColumnElement[int], type_: ColumnElement[str], message: ColumnElement[str], rows: FromClause
) -> CTE:
    json = cast(message, TASK_EVENTS.c.message.type)
    lines = select(changed.c.id, seq, changed.c.attempt, type_, json, changed.c.at).select_from(rows)
    return _WRITING.from_select(_COLUMNS, lines, include_defaults=False).cte("logged")


def _write(connection: Connection, row: Row, events: Sequence[NewEvent]) -> None:
    first = row["last_seq"] - len(events) + 1
    lines = [
        {
            "task_id": row["id"],
            "seq": seq,
            "attempt": row["attempt"],
            "type": event.type.value,
            "message": event.message,
            "at": row["at"],
        }
        for seq, event in enumerate(events, start=first)
    ]
    if lines:
        connection.execute(_WRITING, lines)
