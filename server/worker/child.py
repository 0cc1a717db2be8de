"""The loop of the engine child: commands in, steps, events out. Runs in a process of its own around one device."""

import os
import queue
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from pipelines.contract import (
    Admit,
    Command,
    Defunct,
    Engine,
    EngineDefunct,
    EngineEvent,
    Loading,
    Ready,
    Watch,
    Withdraw,
)

DEFUNCT_EXIT: Final = 86
"""Exit code of a child that ends because its device or weights are unusable."""

_VITALS_SECONDS: Final = 1.0


class _Mailbox:
    """The child's end of the pipe, with a thread each way: no step waits for the supervisor to read."""

    def __init__(self, connection: "Connection[object, object]") -> None:
        self._connection = connection
        self.commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[EngineEvent | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, name="sender", daemon=True)
        self._sender.start()
        threading.Thread(target=self._receive, name="receiver", daemon=True).start()

    def emit(self, event: EngineEvent) -> None:
        self._events.put(event)

    def flush(self) -> None:
        self._events.put(None)
        self._sender.join()

    def _send(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._connection.send(event)
            except OSError:
                os._exit(0)

    def _receive(self) -> None:
        while True:
            try:
                command = self._connection.recv()
            except (EOFError, OSError):
                # The supervisor is gone. Nothing may hold the device after it, whatever a step is doing now.
                os._exit(0)
            assert isinstance(command, Admit | Withdraw | Watch)
            self.commands.put(command)


def serve(build: Callable[[], Engine], connection: "Connection[object, object]") -> int:
    """Build the engine, load it, then work until the pipe closes; return an exit code when the engine is defunct."""
    # Before anything else: torch alone takes seconds to import, and meanwhile the supervisor may be killed.
    mailbox = _Mailbox(connection)
    engine = build()
    try:
        device = engine.load(lambda what, fraction: mailbox.emit(Loading(what, fraction)))
        mailbox.emit(Ready(device, engine.capacity, engine.facts))
        pulse = _Pulse()
        while True:
            _obey(engine, mailbox.commands)
            for event in engine.step():
                mailbox.emit(event)
            if pulse.due(idle=not engine.busy):
                mailbox.emit(engine.vitals)
    except EngineDefunct as defunct:
        mailbox.emit(Defunct(str(defunct)))
    except Exception as error:  # noqa: BLE001 an error nobody foresaw leaves the device in an unknown state
        mailbox.emit(Defunct(f"The engine stopped on an unexpected error: {type(error).__name__}: {error}"))
    mailbox.flush()
    return DEFUNCT_EXIT


class _Pulse:
    """When to tell the vitals: once a second while the engine works, and when it has nothing left to do."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def due(self, *, idle: bool) -> bool:
        now = time.monotonic()
        if not idle and now - self._told_at < _VITALS_SECONDS:
            return False
        self._told_at = now
        return True


def _obey(engine: Engine, commands: "queue.SimpleQueue[Command]") -> None:
    """Carry out every waiting command; wait for one if the engine has nothing to do."""
    while not (engine.busy and commands.empty()):
        match commands.get():
            case Admit(request):
                engine.admit(request)
            case Withdraw(generation_id):
                engine.withdraw(generation_id)
            case Watch(generation_id, interval):
                engine.watch(generation_id, interval)
