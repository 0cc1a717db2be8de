"""Whose tasks a caller may watch: those of his project, or of all projects for an operator."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from server.domain.project import Project
from server.domain.types import ProjectId
from server.ports import ProjectStore


@dataclass(frozen=True, slots=True)
class Scope:
    """What a watcher sees. Watchers of one scope share what is read."""

    project: ProjectId
    everything: bool

    def names(self, projects: ProjectStore) -> Mapping[ProjectId, str]:
        """Return the projects that are seen, as of now, by id; none once the watcher's own is revoked."""
        there = projects.all()
        if any(one.id == self.project and one.revoked_at is not None for one in there):
            return {}
        return {one.id: one.name for one in there if self.everything or one.id == self.project}


def scope_of(project: Project, operators: Collection[str]) -> Scope:
    """Return what this project's caller may watch."""
    return Scope(project.id, project.name in operators)
