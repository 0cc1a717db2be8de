"""Projects in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import PROJECTS
from server.domain.errors import BadRequest
from server.domain.project import KEY_TAKEN, NAME_TAKEN, AuthMethod, Credential, NewProject, Project, Retiring
from server.domain.types import ProjectId

_CREDENTIAL: Final = tuple(field.name for field in fields(Credential))
_NOTHING_RETIRES: Final = {f"retiring_{name}": None for name in (*_CREDENTIAL, "until")}
_RETIRES: Final = PROJECTS.c.retiring_until > Now()
_COLUMNS: Final = (*PROJECTS.c, _RETIRES.label("retires"))
_KEY_HASH: Final[BindParameter[Any]] = bindparam("key_hash")
_HAS_KEY: Final = or_(PROJECTS.c.key_hash == _KEY_HASH, and_(PROJECTS.c.retiring_key_hash == _KEY_HASH, _RETIRES))
# Made once: it is read by every call, and to make it takes longer than to run it.
_BY_KEY: Final = select(*_COLUMNS).where(_HAS_KEY)


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
        statement = insert(PROJECTS).values(values).returning(*_COLUMNS)

        def work(connection: Connection) -> Project:
            if connection.execute(_BY_KEY, {_KEY_HASH.key: new.key_hash}).first() is not None:
                raise BadRequest(KEY_TAKEN)
            return _project(connection.execute(statement).mappings().one())

        try:
            return self._database.write(work)
        except IntegrityError:
            if self.by_name(new.name) is not None:
                raise BadRequest(NAME_TAKEN) from None
            if self.by_key_hash(new.key_hash) is not None:
                raise BadRequest(KEY_TAKEN) from None
            raise

    def by_key_hash(self, key_hash: str) -> Project | None:
        """See `ProjectStore.by_key_hash`."""
        return self._find(_BY_KEY, {_KEY_HASH.key: key_hash})

    def by_name(self, name: str) -> Project | None:
        """See `ProjectStore.by_name`."""
        return self._find(select(*_COLUMNS).where(PROJECTS.c.name == name), {})

    def rotate(self, old: Project, new: Credential, grace_seconds: float) -> Project | None:
        """See `ProjectStore.rotate`."""
        values = {name: getattr(new, name) for name in _CREDENTIAL}
        if grace_seconds > 0:
            values |= {f"retiring_{name}": PROJECTS.c[name] for name in _CREDENTIAL}
            values |= {"retiring_until": Now() + literal(float(grace_seconds))}
        else:
            values |= _NOTHING_RETIRES
        # The very credential that was read, secret and all: of two rotations at once, one is told so.
        same = PROJECTS.c.secret_encrypted.is_not_distinct_from(old.secret_encrypted)
        guard = and_(PROJECTS.c.id == old.id, PROJECTS.c.key_hash == old.key_hash, same)
        statement = update(PROJECTS).values(values).where(guard).returning(*_COLUMNS)

        def work(connection: Connection) -> Project | None:
            row = connection.execute(statement).mappings().one_or_none()
            return None if row is None else _project(row)

        return self._database.write(work)

    def end_grace(self, project_id: ProjectId) -> None:
        """See `ProjectStore.end_grace`."""
        self._change(project_id, _NOTHING_RETIRES)

    def set_revoked(self, project_id: ProjectId, *, revoked: bool) -> None:
        """See `ProjectStore.set_revoked`."""
        self._change(project_id, {"revoked_at": Now() if revoked else None})

    def set_limits(self, project_id: ProjectId, *, queued: int | None, running: int | None) -> None:
        """See `ProjectStore.set_limits`."""
        self._change(project_id, {"queued_limit": queued, "running_limit": running})

    def all(self) -> Sequence[Project]:
        """See `ProjectStore.all`."""
        rows = self._database.read(lambda connection: connection.execute(select(*_COLUMNS)).mappings().all())
        # Sorted here: each database, and each PostgreSQL locale, has an order of its own for names.
        return sorted(map(_project, rows), key=lambda project: project.name)

    def _find(self, query: Select[Any], values: Mapping[str, str]) -> Project | None:
        def work(connection: Connection) -> Project | None:
            row = connection.execute(query, values).mappings().one_or_none()
            return None if row is None else _project(row)

        return self._database.read(work)

    def _change(self, project_id: ProjectId, values: Mapping[str, Any]) -> None:
        change = update(PROJECTS).values(values).where(PROJECTS.c.id == project_id)
        self._database.write(lambda connection: connection.execute(change))


def _project(row: Row) -> Project:
    return Project(
        id=row["id"],
        name=row["name"],
        auth=AuthMethod(row["auth"]),
        **{name: row[name] for name in _CREDENTIAL},
        created_at=row["created_at"],
        retiring=_retiring(row) if row["retires"] else None,
        revoked_at=row["revoked_at"],
        queued_limit=row["queued_limit"],
        running_limit=row["running_limit"],
    )


def _retiring(row: Row) -> Retiring:
    return Retiring(**{name: row[f"retiring_{name}"] for name in _CREDENTIAL}, until=row["retiring_until"])
