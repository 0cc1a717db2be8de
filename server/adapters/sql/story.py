"""Writing a running task's story: all of its parts that come together, in one transaction and one UPDATE of its row."""

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, TypeGuard
from uuid import uuid4

from sqlalchemy import Connection, Update, bindparam, delete, insert, update

from server.adapters.sql.expressions import Now
from server.adapters.sql.fence import entering, held_by, hold, holder
from server.adapters.sql.logged import at_of, change_and_log
from server.adapters.sql.previews import clear_preview, forget_previews
from server.adapters.sql.receipt_table import TASK_RECEIPTS
from server.adapters.sql.removals import drop_outputs
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import FILES, TASK_PROGRESS, TASKS, time_column
from server.adapters.sql.webhooks import owe
from server.domain.errors import LeaseLost
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import LEASED, RUNNING, TaskStatus, sources_of
from server.domain.task import Lease, StoredFile
from server.domain.writes import AddFile, Append, Move, Report, Requeue, Write, WriteReceipt

_FILE_FIELDS: Final = tuple(field.name for field in fields(StoredFile))
_NOTED: Final = (TASKS.c.id, TASKS.c.attempt, TASKS.c.last_seq, TASKS.c.callback_url)

# Made once: to make a statement takes longer than to run it.
_THIS: Final = bindparam("this", type_=TASKS.c.id.type)
_SAMPLE: Final = bindparam("of_sample", type_=FILES.c.sample.type)
_REPORTING: Final = update(TASK_PROGRESS).where(TASK_PROGRESS.c.task_id == _THIS)
_REPORTING_AGAIN: Final = _REPORTING.values(version=TASK_PROGRESS.c.version + 1)
_REPORTING_FIRST: Final = insert(TASK_PROGRESS)
_FORGETTING_PROGRESS: Final = _REPORTING.values(payload=None)
_RECEIPT: Final = update(TASK_RECEIPTS).where(TASK_RECEIPTS.c.task_id == _THIS)
_RECEIPT_FIRST: Final = insert(TASK_RECEIPTS)
_FORGETTING_RECEIPT: Final = delete(TASK_RECEIPTS).where(TASK_RECEIPTS.c.task_id == _THIS)
_FORGETTING_SAMPLE: Final = delete(FILES).where(FILES.c.task_id == _THIS, FILES.c.sample == _SAMPLE)
_ADDING: Final = insert(FILES).values(created_at=Now())


def write_story(connection: Connection, lease: Lease, writes: Sequence[Write]) -> Row | None:
    """Write them as if one after another; return the row with the last event's `last_seq` and `at`, if there is one.

    Raises LeaseLost where the row is no longer held, or its status does not allow one of them.
    """
    things = [write for write in writes if not _is_told(write)]
    told = [write for write in writes if _is_told(write)]
    if things:
        # Locked, not only looked at: a requeue clears them, and this must not write them back.
        hold(connection, lease, RUNNING if any(isinstance(write, AddFile) for write in things) else LEASED)
    for write in things:
        _put(connection, lease, write)
    return _tell(connection, lease, told) if told else None


def _is_told(write: Write) -> TypeGuard[Move | Append | Requeue]:
    return isinstance(write, Move | Append | Requeue)


def _put(connection: Connection, lease: Lease, write: Write) -> None:
    match write:
        case Report(payload):
            values = {"attempt": lease.attempt, "payload": payload}
            if connection.execute(_REPORTING_AGAIN, {_THIS.key: lease.task_id, **values}).rowcount == 0:
                connection.execute(_REPORTING_FIRST, {"task_id": lease.task_id, "version": 1, **values})
        case WriteReceipt(body):
            _put_receipt(connection, lease, {"attempt": lease.attempt, "body": body})
        case AddFile(file):
            named: dict[str, Any] = {name: getattr(file, name) for name in _FILE_FIELDS}
            connection.execute(_FORGETTING_SAMPLE, {_THIS.key: lease.task_id, _SAMPLE.key: file.sample})
            made = {"task_id": lease.task_id, "attempt": lease.attempt, "uuid": str(uuid4())}
            connection.execute(_ADDING, named | made)
        case _:
            raise AssertionError(write)


def _put_receipt(connection: Connection, lease: Lease, values: dict[str, Any]) -> None:
    if connection.execute(_RECEIPT, {_THIS.key: lease.task_id, **values}).rowcount == 0:
        connection.execute(_RECEIPT_FIRST, {"task_id": lease.task_id, **values})


def _tell(connection: Connection, lease: Lease, told: Sequence[Move | Append | Requeue]) -> Row:
    events = [event for write in told for event in _events_of(write)]
    path = tuple(_status_of(write) for write in told if not isinstance(write, Append))
    if any(before not in sources_of(after) for before, after in pairwise(path)):
        raise LeaseLost
    last = told[-1]
    values: dict[str, Any] = {**holder(lease), "events": len(events)}
    if isinstance(last, Requeue):
        values |= {"refund": int(last.refund), "crash": int(last.crashed)}
    ending = next((write.ending for write in told if isinstance(write, Move) and write.ending is not None), None)
    if ending is not None:
        values |= {"pexit": ending.pexit, "message": ending.message}
    row = change_and_log(connection, _telling(path, ended=ending is not None), values, events)
    if row is None:
        raise LeaseLost
    _follow_up(connection, row, path)
    return row


def _follow_up(connection: Connection, row: Row, path: Sequence[TaskStatus]) -> None:
    task_id = row["id"]
    if TaskStatus.QUEUE in path:
        connection.execute(_FORGETTING_PROGRESS, {_THIS.key: task_id})
        clear_preview(connection, task_id)
        drop_outputs(connection, task_id)
        connection.execute(_FORGETTING_RECEIPT, {_THIS.key: task_id})
    if TaskStatus.END in path:
        forget_previews(connection, task_id)
    if TaskStatus.POSTPROCESS_END in path and row["callback_url"]:
        owe(connection, task_id, row["callback_url"])


@lru_cache(maxsize=256)
def _telling(path: tuple[TaskStatus, ...], *, ended: bool) -> Update:
    """Return the UPDATE that leads a held row along a path; an empty one only takes the events' numbers."""
    change = entering(path, bindparam("events", type_=TASKS.c.last_seq.type))
    if TaskStatus.QUEUE in path:
        forgotten = {time_column(status): None for status in TaskStatus if status is not TaskStatus.QUEUE}
        attempt, crashes = TASKS.c.attempt - bindparam("refund"), TASKS.c.crashes + bindparam("crash")
        change = change.values(attempt=attempt, crashes=crashes, **forgotten)
    if ended:
        change = change.values(pexit=bindparam("pexit"), message=bindparam("message"))
    # A requeued task's QUEUE keeps the time of its submission, which is not the event's.
    timed = path and path[-1] is not TaskStatus.QUEUE
    at = at_of(path[-1]) if timed else Now().label("at")
    held = held_by(sources_of(path[0]) if path else LEASED)
    return change.where(held).returning(*_NOTED, at)


def _events_of(write: Move | Append | Requeue) -> Sequence[NewEvent]:
    match write:
        case Move(to, before):
            return (*before, NewEvent(EventType.of(to)))
        case Append(events):
            return events
        case Requeue():
            return (NewEvent(EventType.QUEUE),)


def _status_of(write: Move | Requeue) -> TaskStatus:
    return TaskStatus.QUEUE if isinstance(write, Requeue) else write.to
