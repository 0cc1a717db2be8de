"""Running one transaction: what is tried again, and what becomes of a COMMIT that nobody answered."""

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from server.adapters.sql.connections import Connections
from server.adapters.sql.failures import is_away, is_unanswered, reason_of, should_run_again, was_cut
from server.domain.errors import Unavailable

_T = TypeVar("_T")

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.05
_LOOKS: Final = (0.05, 0.2, 0.5, 1.0)
"""Seconds before each look at what became of a COMMIT: a server that was restarted is back within two, or away."""


class InDoubt(Unavailable):
    """The database can't be reached. Try again in a few seconds."""


def run(
    connections: Connections,
    work: Callable[[Connection], _T],
    in_turn: Callable[[], AbstractContextManager[None]],
    tries: int = _TRIES,
) -> _T:
    """Run `work` in a transaction of its own, each time within `in_turn`.

    It is run again where the database undid it for another's sake, or where the connection was lost before COMMIT was
    sent: nothing can have been written then. Raises InDoubt where COMMIT was sent and not answered, Unavailable where
    the database is away.
    """
    once = _one_statement if connections.autocommit else _once
    while True:
        tries -= 1
        try:
            with in_turn():
                return once(connections, work)
        except SQLAlchemyError as error:
            if tries > 0 and (should_run_again(error) or was_cut(error)):
                time.sleep(_PAUSE_SECONDS * (_TRIES - tries) * random.random())  # noqa: S311 jitter, not a secret
                continue
            if is_away(error) or should_run_again(error):
                raise Unavailable(detail=_away(error, connections)) from error
            raise


def settle(
    write: Callable[[Callable[[Connection], tuple[_T] | None]], tuple[_T] | None],
    work: Callable[[Connection], _T],
    look: Callable[[Connection], tuple[_T] | None],
    doubt: InDoubt,
) -> _T:
    """Find out whether a COMMIT won that nobody answered; run `work` once more if it did not.

    Raises the doubt again where there is nobody to ask.
    """

    def work_again(connection: Connection) -> tuple[_T]:
        return (work(connection),)

    for pause in _LOOKS:
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 jitter, not a secret
        try:
            found = write(look) or write(work_again)
        except InDoubt as again:
            doubt = again
        except Unavailable:
            continue
        else:
            assert found is not None
            return found[0]
    raise doubt


def _once(connections: Connections, work: Callable[[Connection], _T]) -> _T:
    with connections.taken() as connection:
        transaction = connection.begin()
        found = work(connection)
        try:
            transaction.commit()
        except SQLAlchemyError as error:
            if is_away(error):
                raise InDoubt(detail=_away(error, connections)) from error
            raise
        return found


def _one_statement(connections: Connections, work: Callable[[Connection], _T]) -> _T:
    with connections.taken() as connection:
        try:
            found = work(connection)
            connection.commit()  # nothing is sent: only SQLAlchemy thinks that something has begun
        except SQLAlchemyError as error:
            if is_unanswered(error):  # the statement was its own COMMIT
                raise InDoubt(detail=_away(error, connections)) from error
            raise
        return found


def _away(error: SQLAlchemyError, connections: Connections) -> str:
    return f"The database can't be reached: {reason_of(error, connections.url)}."
