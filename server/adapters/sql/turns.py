"""SQLite's writers take turns: the threads of a process, and the processes of the host."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from server.domain.errors import Unavailable

_WAITING_SECONDS: Final = 0.001
_NEXT_SECONDS: Final = 0.0002


class WriteTurns:
    """One turn at a time among all easels with this file; held around each writing transaction and each checkpoint.

    SQLite's own waiting is a poll that grows slower the longer it takes: of eight busy processes, one may get nothing
    for seconds. Here a writer first becomes the next one, then waits for the turn: whoever has just had it can't take
    it again before that one. Both are flock(2) locks, which a dead process gives back, and are polled, because a lock
    that is waited for in the kernel can't be waited for in vain: whoever holds it may have been stopped.

    Because COMMIT and checkpoint never run at the same time in two of these processes, the WAL-reset bug of many SQLite
    versions (https://sqlite.org/wal.html#walresetbug) can't strike among them.
    """

    def __init__(self, database: str, seconds: float) -> None:
        self._paths = (f"{database}.next", f"{database}.turn")
        self._seconds = seconds
        self._thread = Lock()
        self._files: tuple[int, int] | None = None

    @contextmanager
    def taken(self) -> Generator[None]:
        """Wait for a turn and keep it for the block. Raises Unavailable when it does not come in time."""
        until = time.monotonic() + self._seconds
        if not self._thread.acquire(timeout=self._seconds):
            raise _busy()
        try:
            files = self._open()
            if files is None:
                yield
                return
            _take_turn(*files, until)
            try:
                yield
            finally:
                fcntl.flock(files[1], fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def close(self) -> None:
        """Close the lock files, which stay."""
        with self._thread:
            for file in self._files or ():
                os.close(file)
            self._files = None

    def _open(self) -> tuple[int, int] | None:
        if self._files is None:
            try:
                next_one, turn = (os.open(path, os.O_RDWR | os.O_CREAT, 0o644) for path in self._paths)
            except OSError:
                return None  # a folder that is gone or can't be written: SQLite says it better
            self._files = next_one, turn
        return self._files


def _take_turn(next_one: int, turn: int, until: float) -> None:
    _lock(next_one, until, _WAITING_SECONDS)
    try:
        _lock(turn, until, _NEXT_SECONDS)
    finally:
        fcntl.flock(next_one, fcntl.LOCK_UN)


def _lock(file: int, until: float, pause: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise _busy() from None
            time.sleep(pause)
        else:
            return


def _busy() -> Unavailable:
    return Unavailable("The database is busy. Try again in a few seconds.")
