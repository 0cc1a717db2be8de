"""Trying again for as long as files are away: no task is lost by it, it waits."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from server.domain.errors import FilesAway

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

PAUSE: Final = 2.0


class Patience:
    """Tries until it succeeds, or until patience has an end; for threads of their own."""

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._over = threading.Event()

    def through(self, what: str, act: Callable[[], _T], wanted: Callable[[], bool] = lambda: True) -> _T:
        """Return what `act` does. Raises FilesAway when it can't, and nobody wants it or patience is over."""
        told = False
        while True:
            try:
                done = act()
            except FilesAway as away:
                if not told:
                    _log.warning("%s waits: %s", what, away)
                told = True
                if not wanted() or self._over.wait(self._pause):
                    raise
            else:
                if told:
                    _log.info("%s goes on", what)
                return done

    def end(self) -> None:
        """Try no more."""
        self._over.set()
