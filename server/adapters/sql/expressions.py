"""SQL that each database spells its own way: its clock, and a random token."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Double, String, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from server.domain.lifecycle import TaskStatus

_NOTHING: Final = literal_column("''", String())


class Now(FunctionElement[float]):
    """The database's clock in unix seconds, read when the row is written and not when the transaction began."""

    name = "easel_now"
    type: TypeEngine[float] = Double()
    inherit_cache = True


class FreshToken(FunctionElement[str]):
    """A random token nobody can guess; another one for every row of a statement."""

    name = "easel_fresh_token"
    type: TypeEngine[str] = String()
    inherit_cache = True


@compiles(Now, "postgresql")
def _now_postgresql(_element: Now, _compiler: SQLCompiler, **_: Any) -> str:
    # clock_timestamp(), because an UPDATE that waited for a row lock evaluates it after the wait: times rise with seq.
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


@compiles(Now, "sqlite")
def _now_sqlite(_element: Now, _compiler: SQLCompiler, **_: Any) -> str:
    # SQLite 3.40 has no unixepoch('subsec'); julianday has milliseconds, and a float's noise behind them.
    return "round((julianday('now') - 2440587.5) * 86400.0, 3)"


@compiles(FreshToken, "postgresql")
def _fresh_token_postgresql(_element: FreshToken, _compiler: SQLCompiler, **_: Any) -> str:
    return "replace(CAST(gen_random_uuid() AS text), '-', '')"


@compiles(FreshToken, "sqlite")
def _fresh_token_sqlite(_element: FreshToken, _compiler: SQLCompiler, **_: Any) -> str:
    return "lower(hex(randomblob(16)))"


def is_one_of(column: ColumnElement[str], statuses: Iterable[TaskStatus]) -> ColumnElement[bool]:
    """Return `column IN (…)` with the words written out.

    A planner proves that a partial index serves only from constants: with bound parameters it would not be used.
    """
    words = [literal_column(f"'{status.value}'", String()) for status in sorted(statuses)]
    return column == words[0] if len(words) == 1 else column.in_(words)


def is_still_one_of(column: ColumnElement[str], statuses: Iterable[TaskStatus]) -> ColumnElement[bool]:
    """Return the same condition for a row that is found by its id: it serves no index.

    Of `id = … AND status = 'task_queue'` a planner without fresh statistics may read the whole queue, through a partial
    index that it takes for empty, to find the one row by its id.
    """
    return is_one_of(column.concat(_NOTHING), statuses)
