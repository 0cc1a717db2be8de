"""A copy of the database while it is being used."""

import os
import secrets
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from server.adapters.sql.engines import Database
from server.domain.errors import Unavailable

_PG_DUMP: Final = "pg_dump"


def back_up(database: Database, into: Path, pg_dump: str = _PG_DUMP) -> None:
    """Write a consistent copy of the database to a new file, while others read and write it; all or nothing.

    For SQLite that is a database file, for PostgreSQL what `pg_dump --format=custom` makes, a program of at least the
    server's version. Raises FileExistsError; Unavailable with a sentence when the copy can't be made; OSError.
    """
    if into.exists():
        raise FileExistsError(17, "it is there already; name a new file", str(into))
    aside = into.with_name(f"{into.name}.{secrets.token_hex(4)}.tmp")
    try:
        if database.is_sqlite:
            _copy_sqlite(Path(database.url.database or ""), aside)
        else:
            _dump_postgres(database.url, aside, pg_dump)
        _make_durable(aside)
        aside.rename(into)
        _make_durable(into.parent)
    finally:
        aside.unlink(missing_ok=True)


def has_pg_dump() -> bool:
    """Whether PostgreSQL's own program is here."""
    return shutil.which(_PG_DUMP) is not None


def dump_command(url: URL, into: Path) -> list[str]:
    """Return the command that dumps a PostgreSQL database; without its password, which every process could read."""
    plain = url._replace(drivername="postgresql", password=None)  # set() takes None for "as it is"
    return [_PG_DUMP, "--format=custom", f"--file={into}", f"--dbname={plain.render_as_string()}"]


def _copy_sqlite(database: Path, into: Path) -> None:
    if not database.exists():
        raise Unavailable(f"There is no database at {database}.")
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(into)) as copy:
            # All pages in one step: a copy in several begins anew whenever another process has written in between.
            source.backup(copy, pages=-1)
            # One file that needs no second one beside it; easel switches it back when it first writes.
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise Unavailable(f"The copy can't be made: {error}.") from error
    if found != ("ok",):
        raise Unavailable(
            f"The copy is not sound ({found[0]}), so the database may not be: see PRAGMA integrity_check."
        )


def _dump_postgres(url: URL, into: Path, program: str) -> None:
    secret = {"PGPASSWORD": url.password} if url.password else {}
    done = subprocess.run(  # noqa: S603 our own command line, by name like any of the operator's
        [program, *dump_command(url, into)[1:]], env=os.environ | secret, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        raise Unavailable(f"pg_dump failed: {said}")


def _make_durable(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
