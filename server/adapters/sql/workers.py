"""The worker registry in SQL."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Double, Row, bindparam, delete, func, insert, select, update

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.tables import TASKS, WORKERS
from server.domain.report import read_report, report_json
from server.domain.types import WorkerId
from server.domain.worker import Seen, Wish, Worker, WorkerState

_SILENT: Final = Now() - WORKERS.c.beat_at
_ALIVE: Final = (
    select(WORKERS, _SILENT.label("silent"))
    .where(WORKERS.c.beat_at >= Now() - bindparam("within", type_=Double))
    .order_by(WORKERS.c.id)
)
_HELD: Final = (
    select(func.count()).select_from(TASKS).where(IS_LEASED, TASKS.c.worker_id == WORKERS.c.id).scalar_subquery()
)
_SEEN: Final = select(WORKERS, _SILENT.label("silent"), _HELD.label("tasks")).order_by(
    WORKERS.c.name, WORKERS.c.host, WORKERS.c.pid
)


class SqlWorkerRegistry:
    """`WorkerRegistry` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker: Worker) -> Wish | None:
        """See `WorkerRegistry.beat`. An id belongs to one worker, which beats from one thread."""
        values = {
            "host": worker.host,
            "name": worker.name,
            "pid": worker.pid,
            "engine": worker.engine,
            "device": worker.device,
            "state": worker.state.value,
            "beat_at": Now(),
            "report": report_json(worker.report),
        }

        def work(connection: Connection) -> Wish | None:
            beaten = update(WORKERS).where(WORKERS.c.id == worker.id).values(values).returning(WORKERS.c.wish)
            row = connection.execute(beaten).one_or_none()
            if row is None:
                connection.execute(insert(WORKERS).values(id=worker.id, **values))
            return Wish(row.wish) if row is not None and row.wish else None

        return self._database.write(work)

    def wish(self, name: str, wish: Wish | None) -> int:
        """See `WorkerRegistry.wish`."""
        wished = update(WORKERS).where(WORKERS.c.name == name).values(wish=wish.value if wish else None)
        return self._database.write(lambda connection: connection.execute(wished).rowcount)

    def forget_silent(self, seconds: float) -> int:
        """See `WorkerRegistry.forget_silent`."""
        silent = delete(WORKERS).where(WORKERS.c.beat_at < Now() - float(seconds))
        return self._database.write(lambda connection: connection.execute(silent).rowcount)

    def leave(self, worker_id: WorkerId) -> None:
        """See `WorkerRegistry.leave`."""
        self._database.write(lambda connection: connection.execute(delete(WORKERS).where(WORKERS.c.id == worker_id)))

    def alive(self, within: float) -> Sequence[Worker]:
        """See `WorkerRegistry.alive`."""
        rows = self._database.read(lambda connection: connection.execute(_ALIVE, {"within": within}).all())
        return [_worker(row) for row in rows]

    def seen(self) -> Sequence[Seen]:
        """Return every worker that has a row, also those that were killed, by name."""
        rows = self._database.read(lambda connection: connection.execute(_SEEN).all())
        return [Seen(worker=_worker(row), wish=Wish(row.wish) if row.wish else None, tasks=row.tasks) for row in rows]


def _worker(row: Row[Any]) -> Worker:
    return Worker(
        id=row.id,
        host=row.host,
        name=row.name or "",
        pid=row.pid,
        engine=row.engine,
        device=row.device,
        state=WorkerState(row.state),
        report=read_report(row.report),
        silent=max(0.0, row.silent),
    )
