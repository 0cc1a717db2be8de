"""`ProjectStore` over a dictionary."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import count
from threading import Lock

from server.domain.errors import BadRequest
from server.domain.project import KEY_TAKEN, NAME_TAKEN, Credential, NewProject, Project, Retiring
from server.domain.types import ProjectId


class MemoryProjects:
    """The projects' part of `MemoryStores`, under its lock."""

    def __init__(self, now: Callable[[], float], lock: Lock) -> None:
        self._now = now
        self._lock = lock
        self._projects: dict[ProjectId, Project] = {}
        self._project_ids = count(1)

    def create(self, new: NewProject) -> Project:
        """See `ProjectStore.create`."""
        with self._lock:
            if self._with_key(new.key_hash) is not None:
                raise BadRequest(KEY_TAKEN)
            if any(project.name == new.name for project in self._projects.values()):
                raise BadRequest(NAME_TAKEN)
            project = Project(
                id=ProjectId(next(self._project_ids)),
                name=new.name,
                auth=new.auth,
                key_hash=new.key_hash,
                key_prefix=new.key_prefix,
                secret_encrypted=new.secret_encrypted,
                created_at=self._now(),
            )
            self._projects[project.id] = project
            return project

    def by_key_hash(self, key_hash: str) -> Project | None:
        """See `ProjectStore.by_key_hash`."""
        with self._lock:
            return self._with_key(key_hash)

    def by_name(self, name: str) -> Project | None:
        """See `ProjectStore.by_name`."""
        with self._lock:
            return next((project for project in self._today() if project.name == name), None)

    def all(self) -> Sequence[Project]:
        """See `ProjectStore.all`."""
        with self._lock:
            return sorted(self._today(), key=lambda project: project.name)

    def rotate(self, old: Project, new: Credential, grace_seconds: float) -> Project | None:
        """See `ProjectStore.rotate`."""
        with self._lock:
            project = self._projects[old.id]
            if project.credential != old.credential:
                return None
            until = self._now() + grace_seconds
            retiring = Retiring(**asdict(old.credential), until=until) if grace_seconds > 0 else None
            return self._change(old.id, **asdict(new), retiring=retiring)

    def end_grace(self, project_id: ProjectId) -> None:
        """See `ProjectStore.end_grace`."""
        with self._lock:
            self._change(project_id, retiring=None)

    def set_revoked(self, project_id: ProjectId, *, revoked: bool) -> None:
        """See `ProjectStore.set_revoked`."""
        with self._lock:
            self._change(project_id, revoked_at=self._now() if revoked else None)

    def set_limits(self, project_id: ProjectId, *, queued: int | None, running: int | None) -> None:
        """See `ProjectStore.set_limits`."""
        with self._lock:
            self._change(project_id, queued_limit=queued, running_limit=running)

    def _change(self, project_id: ProjectId, **values: object) -> Project:
        changed = self._projects[project_id] = replace(self._projects[project_id], **values)  # pyright: ignore[reportArgumentType]
        return changed

    def _with_key(self, key_hash: str) -> Project | None:
        def has(project: Project) -> bool:
            kept = (project.credential, project.retiring)
            return any(one is not None and one.key_hash == key_hash for one in kept)

        return next(filter(has, self._today()), None)

    def _today(self) -> list[Project]:
        """Return the projects as they are now: what has retired is not there."""
        now = self._now()
        return [
            replace(project, retiring=None) if project.retiring and project.retiring.until <= now else project
            for project in self._projects.values()
        ]
