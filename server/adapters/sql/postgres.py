"""PostgreSQL through psycopg, with limits on everything that could hold a connection or a lock."""

from typing import Any, Final

import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from server.adapters.sql.json_text import to_json

_STATEMENT_MS: Final = 30_000
_IDLE_IN_TRANSACTION_MS: Final = 30_000
_CONNECT_SECONDS: Final = 5
# No ping before each use: a transaction whose connection turns out to be dead is run again on a new one.
_POOL: Final[dict[str, Any]] = {"pool_size": 10, "max_overflow": 10, "pool_timeout": 10}


def open_pool(url: URL) -> Engine:
    """Return the engine for reading and writing."""
    # Said and not left to the server's default: SKIP LOCKED and guarded updates are meant for READ COMMITTED.
    return create_engine(
        url,
        connect_args=_connect_args(url),
        hide_parameters=True,
        json_serializer=to_json,
        isolation_level="READ COMMITTED",
        **_POOL,
    )


def open_for_migrating(url: URL) -> Engine:
    """Return the engine for schema changes."""
    return create_engine(
        url, connect_args=_connect_args(url), hide_parameters=True, json_serializer=to_json, poolclass=NullPool
    )


def for_reading(engine: Engine) -> Engine:
    """Return the same pool, for transactions that see one snapshot and cannot write."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def for_single_statements(engine: Engine) -> Engine:
    """Return the same pool, for statements that are a transaction each."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def connect_alone(url: URL) -> psycopg.Connection:
    """Return a connection outside every pool, in autocommit. Raises psycopg.Error."""
    _, given = url.get_dialect()().create_connect_args(url)
    return psycopg.connect(**{**given, **_connect_args(url)}, autocommit=True)


def _connect_args(url: URL) -> dict[str, Any]:
    limits = {
        "statement_timeout": _STATEMENT_MS,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_MS,
        "jit": "off",
        # Of statements that are a transaction each, too, which the engine's own setting does not reach.
        "default_transaction_isolation": "read\\ committed",
    }
    own = " ".join(f"-c {name}={value}" for name, value in limits.items())
    given = url.query.get("options", "")  # comes last, so what the operator sets wins
    return {
        "options": f"{own} {given if isinstance(given, str) else ' '.join(given)}".strip(),
        "application_name": url.query.get("application_name", "easel"),
        "connect_timeout": int(str(url.query.get("connect_timeout", _CONNECT_SECONDS))),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # What was sent and is not acknowledged: without it a half-open connection is waited for a quarter of an hour.
        "tcp_user_timeout": 20_000,
    }
