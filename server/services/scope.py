"""Whose tasks a caller may watch: those of his project, or of all projects for an operator."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from server.domain.errors import NotAuthorized
from server.domain.project import Credential
from server.domain.types import ProjectId
from server.ports import ProjectStore
from server.services.authenticate import Proven


@dataclass(frozen=True, slots=True)
class Scope:
    """What a watcher sees, by what he has proved himself with. Watchers of one scope share what is read."""

    project: ProjectId
    credential: Credential
    everything: bool

    def names(self, projects: ProjectStore) -> Mapping[ProjectId, str]:
        """Return the projects that are seen, as of now, by id.

        Raises NotAuthorized once the watcher's project is revoked, or his key or secret is replaced and has retired.
        """
        there = projects.all()
        own = next((one for one in there if one.id == self.project), None)
        mine = self.credential
        live = () if own is None else own.live(mine.key_hash)
        # Not by equality: what is replaced is a credential that retires.
        if not any(one.secret_encrypted == mine.secret_encrypted for one in live):
            raise NotAuthorized
        return {one.id: one.name for one in there if self.everything or one.id == self.project}


def scope_of(proven: Proven, operators: Collection[str]) -> Scope:
    """Return what this caller may watch."""
    return Scope(proven.project.id, proven.credential, proven.project.name in operators)
