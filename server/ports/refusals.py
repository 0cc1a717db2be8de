"""What the prompt gate writes down."""

from collections.abc import Collection, Sequence
from typing import Protocol

from server.domain.refusal import NewRefusal, Refusal, Stage, Strikes
from server.domain.types import ProjectId


class RefusalLog(Protocol):
    """What the prompt gate refused. Only ever appended to; it outlives the tasks and projects it names."""

    def add(self, new: NewRefusal) -> None:
        """Write a refusal with the store's time."""
        ...

    def strikes(self, project_id: ProjectId, within: float, stages: Collection[Stage]) -> Strikes:
        """Return how many refusals the project had there in the last `within` seconds; how long ago the last was."""
        ...

    def newest(self, limit: int, project_id: ProjectId | None = None) -> Sequence[Refusal]:
        """Return the latest refusals, newest first, of one project or of all."""
        ...
