"""The supervisor's handle on its engine child: start, send, hear, kill."""

import logging
import multiprocessing.connection as mpc
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from pipelines.contract import Command, EngineEvent

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exited:
    """The child is gone. `code` as `subprocess` has it: negative for a signal."""

    code: int

    @property
    def pexit(self) -> str:
        """The exit code as a shell and Wiro's `pexit` show it: 137 for SIGKILL."""
        return str(128 - self.code if self.code < 0 else self.code)


Heard: TypeAlias = EngineEvent | Exited


class EngineHandle(Protocol):
    """An engine child, real or not: what the supervisor needs of it."""

    def start(self, hear: Callable[[Heard], None]) -> None:
        """Start a child; `hear` is called from another thread with each event and, last of all, Exited."""
        ...

    def send(self, command: Command) -> None:
        """Send a command; to a dead child it goes nowhere (Exited tells)."""
        ...

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM)."""
        ...

    def kill(self) -> None:
        """End the process (SIGKILL)."""
        ...

    def memory(self) -> int:
        """Return how many bytes of memory the process holds; 0 where nobody knows."""
        ...

    def close(self, grace: float) -> None:
        """Close the pipe, at which the child exits; kill it after `grace` seconds."""
        ...


class EngineProcess:
    """A child in a fresh interpreter and a session of its own, so that neither a fork nor a Ctrl-C reaches it.

    `command` is the program; the number of the inherited pipe descriptor is appended to it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: mpc.Connection[object, object] | None = None

    def start(self, hear: Callable[[Heard], None]) -> None:
        """Start a child. The one before, if any, must have exited."""
        ours, theirs = socket.socketpair()
        with theirs:
            # stdin stays closed: a child must never wait for the supervisor's terminal
            process = subprocess.Popen(  # noqa: S603 the command is our own
                [*self._command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        connection: mpc.Connection[object, object] = mpc.Connection(ours.detach())
        self._process, self._connection = process, connection
        threading.Thread(target=_hear, args=(process, connection, hear), name="engine", daemon=True).start()

    def send(self, command: Command) -> None:
        """Send a command."""
        assert self._connection is not None
        try:
            self._connection.send(command)
        except OSError:
            _log.debug("engine child is gone; %s was not sent", type(command).__name__)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)

    def memory(self) -> int:
        """Return the resident set, where there is a /proc."""
        if self._process is None:
            return 0
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):  # another system, or it is gone
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def close(self, grace: float) -> None:
        """Close the pipe and see the child out."""
        if self._process is None or self._connection is None:
            return
        # shutdown, not close: the reader thread still holds the descriptor
        with socket.socket(fileno=os.dup(self._connection.fileno())) as pipe:
            try:
                pipe.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("the pipe was closed already")
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def _hear(
    process: "subprocess.Popen[bytes]", connection: "mpc.Connection[object, object]", hear: Callable[[Heard], None]
) -> None:
    try:
        while True:
            hear(cast("EngineEvent", connection.recv()))
    except (EOFError, OSError):
        pass
    hear(Exited(process.wait()))
