"""Several looks at one moment of the database."""

from collections.abc import Callable
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Reads(Protocol):
    """Reading what belongs together, whichever stores it is asked of."""

    def at_once(self, work: Callable[[], _T]) -> _T:
        """Run `work`; what this thread reads meanwhile is of one moment, and costs one transaction.

        What it writes is not among it. Raises what `work` raises, and `Unavailable`.
        """
        ...
