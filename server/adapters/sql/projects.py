"""Projects in SQL."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import PROJECTS
from server.domain.errors import BadRequest
from server.domain.project import AuthMethod, NewProject, Project


class SqlProjectStore:
    """`ProjectStore` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewProject) -> Project:
        """See `ProjectStore.create`."""
        values = {
            "name": new.name,
            "auth": new.auth.value,
            "key_hash": new.key_hash,
            "key_prefix": new.key_prefix,
            "secret_encrypted": new.secret_encrypted,
            "created_at": Now(),
        }
        statement = insert(PROJECTS).values(values).returning(*PROJECTS.c)
        try:
            return self._database.write(lambda connection: _project(connection.execute(statement).mappings().one()))
        except IntegrityError:
            if self._has(new.name):
                raise BadRequest("A project of this name exists already.") from None
            raise

    def by_key_hash(self, key_hash: str) -> Project | None:
        """See `ProjectStore.by_key_hash`."""
        query = select(PROJECTS).where(PROJECTS.c.key_hash == key_hash)

        def work(connection: Connection) -> Project | None:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else _project(row)

        return self._database.read(work)

    def all(self) -> Sequence[Project]:
        """See `ProjectStore.all`."""
        rows = self._database.read(lambda connection: connection.execute(select(PROJECTS)).mappings().all())
        # Sorted here: each database, and each PostgreSQL locale, has an order of its own for names.
        return sorted(map(_project, rows), key=lambda project: project.name)

    def _has(self, name: str) -> bool:
        query = select(PROJECTS.c.id).where(PROJECTS.c.name == name)
        return self._database.read(lambda connection: connection.execute(query).first() is not None)


def _project(row: Row) -> Project:
    return Project(
        id=row["id"],
        name=row["name"],
        auth=AuthMethod(row["auth"]),
        key_prefix=row["key_prefix"],
        secret_encrypted=row["secret_encrypted"],
        created_at=row["created_at"],
    )
