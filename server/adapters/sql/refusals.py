"""The prompt gate's audit in SQL."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Double, bindparam, func, insert, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.refusal_table import REFUSALS
from server.adapters.sql.rows import Row
from server.domain.refusal import NewRefusal, Refusal, Stage, Strikes
from server.domain.types import ProjectId

# Made once: it is read by every Run.
_STRIKES: Final = select(func.count(), Now() - func.max(REFUSALS.c.at)).where(
    REFUSALS.c.project_id == bindparam("project_id"),
    REFUSALS.c.at >= Now() - bindparam("within", type_=Double),
    REFUSALS.c.stage.in_(bindparam("stages", expanding=True)),
)


class SqlRefusalLog:
    """`RefusalLog` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewRefusal) -> None:
        """See `RefusalLog.add`."""
        values = {
            "at": Now(),
            "project_id": new.project_id,
            "task_id": new.task_id,
            "stage": new.stage.value,
            "gate_version": new.gate_version,
            "rules": list(new.rules),
            "prompt_sha256": new.prompt_sha256,
        }
        self._database.write(lambda connection: connection.execute(insert(REFUSALS).values(values)))

    def strikes(self, project_id: ProjectId, within: float, stages: Collection[Stage]) -> Strikes:
        """See `RefusalLog.strikes`."""
        asked = {"project_id": project_id, "within": within, "stages": [stage.value for stage in stages]}
        count, last_ago = self._database.read(lambda connection: connection.execute(_STRIKES, asked).one())
        return Strikes(count, last_ago)

    def newest(self, limit: int, project_id: ProjectId | None = None) -> Sequence[Refusal]:
        """See `RefusalLog.newest`."""
        query = select(REFUSALS).order_by(REFUSALS.c.id.desc()).limit(limit)
        if project_id is not None:
            query = query.where(REFUSALS.c.project_id == project_id)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [_refusal(row) for row in rows]


def _refusal(row: Row) -> Refusal:
    return Refusal(
        id=row["id"],
        at=row["at"],
        project_id=row["project_id"],
        task_id=row["task_id"],
        stage=Stage(row["stage"]),
        gate_version=row["gate_version"],
        rules=tuple(row["rules"]),
        prompt_sha256=row["prompt_sha256"],
    )
