"""The worker registry in SQL."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Double, bindparam, delete, insert, select, update

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.tables import WORKERS
from server.domain.report import read_report, report_json
from server.domain.types import WorkerId
from server.domain.worker import Worker, WorkerState

_SILENT: Final = Now() - WORKERS.c.beat_at
_ALIVE: Final = (
    select(WORKERS, _SILENT.label("silent"))
    .where(WORKERS.c.beat_at >= Now() - bindparam("within", type_=Double))
    .order_by(WORKERS.c.id)
)


class SqlWorkerRegistry:
    """`WorkerRegistry` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker: Worker) -> None:
        """See `WorkerRegistry.beat`. An id belongs to one worker, which beats from one thread."""
        values = {
            "host": worker.host,
            "pid": worker.pid,
            "engine": worker.engine,
            "device": worker.device,
            "state": worker.state.value,
            "beat_at": Now(),
            "report": report_json(worker.report),
        }

        def work(connection: Connection) -> None:
            changed = connection.execute(update(WORKERS).where(WORKERS.c.id == worker.id).values(values))
            if changed.rowcount == 0:
                connection.execute(insert(WORKERS).values(id=worker.id, **values))

        self._database.write(work)

    def leave(self, worker_id: WorkerId) -> None:
        """See `WorkerRegistry.leave`."""
        self._database.write(lambda connection: connection.execute(delete(WORKERS).where(WORKERS.c.id == worker_id)))

    def alive(self, within: float) -> Sequence[Worker]:
        """See `WorkerRegistry.alive`."""
        rows = self._database.read(lambda connection: connection.execute(_ALIVE, {"within": within}).all())
        return [
            Worker(
                id=row.id,
                host=row.host,
                pid=row.pid,
                engine=row.engine,
                device=row.device,
                state=WorkerState(row.state),
                report=read_report(row.report),
                silent=max(0.0, row.silent),
            )
            for row in rows
        ]
