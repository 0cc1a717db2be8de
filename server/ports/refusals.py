"""What the prompt gate writes down."""

from collections.abc import Sequence
from typing import Protocol

from server.domain.refusal import NewRefusal, Refusal, Strikes
from server.domain.types import ProjectId


class RefusalLog(Protocol):
    """What the prompt gate refused. Only ever appended to; it outlives the tasks and projects it names."""

    def add(self, new: NewRefusal) -> None:
        """Write a refusal with the store's time."""
        ...

    def strikes(self, project_id: ProjectId, within: float) -> Strikes:
        """Return how many refusals the project had in the last `within` seconds, and how long ago the last was."""
        ...

    def newest(self, limit: int, project_id: ProjectId | None = None) -> Sequence[Refusal]:
        """Return the latest refusals, newest first, of one project or of all."""
        ...
