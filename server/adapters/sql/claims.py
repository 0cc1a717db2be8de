"""Claiming in SQL: what an idle worker asks costs one small read, and a claim that nobody answered is found again."""

from sqlalchemy import Connection, select

from server.adapters.sql.admission import WAIT_TO_CLAIM
from server.adapters.sql.engines import Database
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.logged import change_and_announce
from server.adapters.sql.queue import Claim, claim_statements, claim_values, claim_where_nothing_is_limited
from server.adapters.sql.rows import TASK_COLUMNS, claimed_of
from server.adapters.sql.tables import TASKS
from server.adapters.sql.transactions import InDoubt
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota
from server.domain.task import Claimed


class Claims:
    """Runs the transactions that claim. One worker's thread calls it, or several."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota
        self._unanswered: list[str] = []

    def claim(self, claim: Claim) -> Claimed | None:
        """Run the transaction that claims, if there is anything for it.

        Returns the task of an earlier claim whose COMMIT nobody answered, where that has won.
        """
        while self._unanswered:
            earlier = self._database.read(lambda connection: _claimed_under(connection, self._unanswered[0]))
            self._unanswered.pop(0)
            if earlier is not None:
                return earlier[0]
        try:
            return self._on_sqlite(claim) if self._database.is_sqlite else self._on_postgres(claim)
        except InDoubt:
            self._unanswered.append(claim.token)
            raise

    def _on_sqlite(self, claim: Claim) -> Claimed | None:
        looking, given = claim_statements(self._quota, claim).looking, claim_values(claim)
        if not self._database.read(lambda connection: connection.execute(looking, given).first()):
            return None  # without the writers' turn, which others need
        return self._database.write(
            lambda connection: self._claimed(connection, claim),
            lambda connection: _claimed_under(connection, claim.token),
        )

    def _on_postgres(self, claim: Claim) -> Claimed | None:
        if self._quota.running is None:
            limited, claimed = self._where_nothing_is_limited(claim)
            if not limited:
                return claimed

        def work(connection: Connection) -> Claimed | None:
            something = connection.execute(WAIT_TO_CLAIM).first()
            return None if something is None else self._claimed(connection, claim)

        return self._database.write(work, lambda connection: _claimed_under(connection, claim.token))

    def _where_nothing_is_limited(self, claim: Claim) -> tuple[bool, Claimed | None]:
        """Return whether something waits that only a claim in its turn may take, and if not, what was claimed."""
        claiming, given = claim_where_nothing_is_limited(claim), claim_values(claim)

        def work(connection: Connection) -> tuple[bool, Claimed | None]:
            row = connection.execute(claiming, given).mappings().one()
            return row["limited"], None if row["id"] is None else claimed_of(row)

        def look(connection: Connection) -> tuple[tuple[bool, Claimed | None]] | None:
            found = _claimed_under(connection, claim.token)
            return None if found is None else ((False, found[0]),)

        return self._database.write_one(work, look)

    def _claimed(self, connection: Connection, claim: Claim) -> Claimed | None:
        claiming = claim_statements(self._quota, claim).claiming
        row = change_and_announce(connection, claiming, claim_values(claim), TaskStatus.ACCEPT)
        return None if row is None else claimed_of(row)  # no files: the last attempt's were forgotten at its requeue


def _claimed_under(connection: Connection, token: str) -> tuple[Claimed | None] | None:
    """Return what was claimed under this token, as far as it is committed by now; the rest runs out like any lease."""
    query = select(*TASK_COLUMNS).where(TASKS.c.lease_token == token, IS_LEASED)
    # Where a lost claim came through after somebody looked for it, there are two: the other one runs out.
    row = connection.execute(query.order_by(TASKS.c.id)).mappings().first()
    return None if row is None else (claimed_of(row),)
