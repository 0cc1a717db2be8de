"""What a driver's error means: a database that is away, a transaction to run again, or a mistake of ours."""

import re
import sqlite3
from typing import Final

from psycopg import Error as PostgresError
from psycopg import OperationalError as PostgresOperationalError
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_RUN_AGAIN: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock

_CUT: Final = frozenset({"57P01", "57P02", "57P03"})  # shut down by an operator, after a crash, starting up

# Classes and codes in which PostgreSQL is not usable for a while: connection, resources, operator, system; a former
# primary that only reads; a lock, a statement or an idle transaction that took too long.
_AWAY: Final = ("08", "53", "57", "58", "25006", "25P03", "55P03")

_SQLITE_AWAY: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
_SQLITE_PRIMARY_CODE: Final = 0xFF


def should_run_again(error: SQLAlchemyError) -> bool:
    """Whether the database undid the transaction for another's sake: run again, it will succeed."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RUN_AGAIN


def was_cut(error: SQLAlchemyError) -> bool:
    """Whether an established connection broke off: the server stops or restarts, an operator or the network cut it.

    A server that can't be connected to at all is not meant: it may be away for long, and whoever asks is told so.
    """
    if not isinstance(error, DBAPIError) or not isinstance(error.orig, PostgresError):
        return False
    state = error.orig.sqlstate
    return error.connection_invalidated or (state is not None and (state[:2] == "08" or state in _CUT))


def is_unanswered(error: SQLAlchemyError) -> bool:
    """Whether nobody said how a statement ended: one that commits itself may have won."""
    if was_cut(error):
        return True
    return isinstance(error, DBAPIError) and isinstance(error.orig, PostgresError) and error.orig.sqlstate is None


def reason_of(error: SQLAlchemyError, url: URL) -> str:
    """Return the first line of what the driver said, for operators: no SQL, no parameters, no password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    line = " ".join(lines[0].split())
    _, fatal, rest = line.partition("FATAL:")  # what the server said, behind what the driver says about the way there
    line = f"FATAL:{rest}" if fatal else line.removeprefix("connection failed: ")
    if url.password:
        line = re.sub(rf"(?<!\w){re.escape(url.password)}(?!\w)", "***", line)
    return f"{line} ({url.database})" if isinstance(cause, sqlite3.Error) else line.rstrip(".")


def is_away(error: SQLAlchemyError) -> bool:
    """Whether the error says something about the database's health, and nothing about our statement."""
    if isinstance(error, PoolTimeoutError | InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & _SQLITE_PRIMARY_CODE in _SQLITE_AWAY
    if isinstance(cause, PostgresError):
        if cause.sqlstate is None:  # the server could not say anything any more, or never could
            return error.connection_invalidated or isinstance(cause, PostgresOperationalError)
        return error.connection_invalidated or cause.sqlstate.startswith(_AWAY)
    return False
