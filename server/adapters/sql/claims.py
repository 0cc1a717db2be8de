"""Claiming in SQL: what an idle worker asks costs one small read, and a claim that nobody answered is found again."""

from sqlalchemy import Connection, Update, select

from server.adapters.sql.admission import wait_to_claim
from server.adapters.sql.engines import Database
from server.adapters.sql.fence import IS_LEASED, log_status
from server.adapters.sql.queue import Claim, claim_statements, claim_values
from server.adapters.sql.rows import TASK_COLUMNS, claimed_of
from server.adapters.sql.tables import TASKS
from server.adapters.sql.transactions import InDoubt
from server.domain.quota import Quota
from server.domain.task import Claimed


class Claims:
    """Runs the transactions that claim. One worker's thread calls it, or several."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota
        self._waiting = wait_to_claim(quota)
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
        given, token = claim_values(claim), claim.token
        if self._database.is_sqlite:
            looking = claim_statements(self._quota, claim).looking
            if not self._database.read(lambda connection: connection.execute(looking, given).first()):
                return None  # without the writers' turn, which others need

        def work(connection: Connection) -> Claimed | None:
            claiming = self._claiming(connection, claim)
            row = None if claiming is None else connection.execute(claiming, given).mappings().one_or_none()
            if row is None:
                return None
            log_status(connection, row)
            return claimed_of(row)  # no files: the last attempt's were forgotten when it was requeued

        try:
            return self._database.write(work, lambda connection: _claimed_under(connection, token))
        except InDoubt:
            self._unanswered.append(token)
            raise

    def _claiming(self, connection: Connection, claim: Claim) -> Update | None:
        """Return the statement that claims, once it is its turn; None where nothing is queued."""
        if self._database.is_sqlite:
            return claim_statements(self._quota, claim).claiming
        something = connection.execute(self._waiting).first()
        if something is None:
            return None
        return claim_statements(self._quota, claim, limited=something.limited).claiming


def _claimed_under(connection: Connection, token: str) -> tuple[Claimed | None] | None:
    """Return what was claimed under this token, as far as it is committed by now; the rest runs out like any lease."""
    query = select(*TASK_COLUMNS).where(TASKS.c.lease_token == token, IS_LEASED)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else (claimed_of(row),)
