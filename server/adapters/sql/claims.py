"""Claiming in SQL: what an idle worker asks costs one small read, and a claim that nobody answered is found again."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, select

from server.adapters.sql.admission import something_queued, wait_to_claim
from server.adapters.sql.engines import Database
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.rows import TASK_COLUMNS, claimed_of
from server.adapters.sql.tables import TASKS
from server.adapters.sql.transactions import InDoubt
from server.domain.quota import Quota
from server.domain.task import Claimed

_QUEUED: Final = select(something_queued())


class Claims:
    """Runs the transactions that claim. One worker's thread calls it, or several."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._waiting = wait_to_claim(quota)
        self._unanswered: list[str] = []

    def claim(self, work: Callable[[Connection], Claimed | None], token: str) -> Claimed | None:
        """Run the transaction that claims under this token, if anything is queued.

        Returns the task of an earlier claim whose COMMIT nobody answered, where that has won.
        """
        while self._unanswered:
            earlier = self._database.read(lambda connection: _claimed_under(connection, self._unanswered[0]))
            self._unanswered.pop(0)
            if earlier is not None:
                return earlier[0]
        if self._database.is_sqlite and not self._database.read(_is_anything_queued):
            return None  # without the writers' turn, which others need

        def in_turn(connection: Connection) -> Claimed | None:
            if not self._database.is_sqlite and connection.execute(self._waiting).first() is None:
                return None
            return work(connection)

        try:
            return self._database.write(in_turn, lambda connection: _claimed_under(connection, token))
        except InDoubt:
            self._unanswered.append(token)
            raise


def _is_anything_queued(connection: Connection) -> bool:
    return bool(connection.execute(_QUEUED).scalar_one())


def _claimed_under(connection: Connection, token: str) -> tuple[Claimed | None] | None:
    """Return what was claimed under this token, as far as it is committed by now; the rest runs out like any lease."""
    query = select(*TASK_COLUMNS).where(TASKS.c.lease_token == token, IS_LEASED)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else (claimed_of(row),)
