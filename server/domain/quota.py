"""How much may wait and run at once: the server's numbers, and the sentences of a refusal."""

from dataclasses import dataclass
from typing import Final

UNLIMITED: Final = 2**31 - 1
"""A project's own limit that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The server's limits; None where there is none. A project's own ones override `queued` and `running`.

    `queued` and `running` are tasks of one project, `total` is queued tasks of all.
    """

    queued: int | None = None
    running: int | None = None
    total: int | None = None

    def queued_of(self, own: int | None) -> int:
        """Return how many tasks a project with this limit of its own may have queued."""
        return next((limit for limit in (own, self.queued) if limit is not None), UNLIMITED)

    def running_of(self, own: int | None) -> int:
        """Return how many tasks a project with this limit of its own may have running."""
        return next((limit for limit in (own, self.running) if limit is not None), UNLIMITED)


def refusal(queued: int, limit: int, total: int, total_limit: int | None) -> str | None:
    """Return why one more task does not fit, or None: `queued` and `total` are what waits now."""
    if queued >= limit:
        return (
            f"You have reached your queued task limit: {limit} tasks of this project may wait at the same time. Wait "
            "until one has started or cancel one, then run this again; or ask the operator for a higher limit."
        )
    if total_limit is not None and total >= total_limit:
        return (
            f"The server has reached its queued task limit: {total_limit} tasks are waiting. Run this again in a few "
            "minutes, or ask the operator for a higher limit."
        )
    return None
