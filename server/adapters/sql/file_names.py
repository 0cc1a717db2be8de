"""The keys of all files that rows name."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Table, select

from server.adapters.sql.engines import Database
from server.adapters.sql.tables import FILES
from server.adapters.sql.upload_tables import UPLOADS

_PAGE: Final = 1000


def named_files(database: Database) -> Iterator[str]:
    """Yield the keys of pictures and uploads, oldest first, in short reads; also of those that come meanwhile."""
    for table in (FILES, UPLOADS):
        yield from _of(database, table)


def _of(database: Database, table: Table) -> Iterator[str]:
    last = 0
    while True:
        query = select(table.c.id, table.c.key).where(table.c.id > last).order_by(table.c.id).limit(_PAGE)
        rows = database.read(lambda connection, query=query: connection.execute(query).all())
        yield from (row.key for row in rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1].id
