"""The worker registry in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from server.domain.types import WorkerId
from server.domain.worker import Wish, Worker


class MemoryWorkers:
    """The part of `MemoryStores` that is `WorkerRegistry`."""

    def __init__(self, now: Callable[[], float], lock: Lock) -> None:
        self._now = now
        self._lock = lock
        self._workers: dict[WorkerId, tuple[float, Worker]] = {}
        self._wishes: dict[WorkerId, Wish | None] = {}

    def beat(self, worker: Worker) -> Wish | None:
        """See `WorkerRegistry.beat`."""
        with self._lock:
            self._workers[worker.id] = (self._now(), worker)
            return self._wishes.get(worker.id)

    def wish(self, name: str, wish: Wish | None) -> int:
        """See `WorkerRegistry.wish`."""
        with self._lock:
            named = [each.id for _, each in self._workers.values() if each.name == name]
            self._wishes |= dict.fromkeys(named, wish)
            return len(named)

    def forget_silent(self, seconds: float) -> int:
        """See `WorkerRegistry.forget_silent`."""
        with self._lock:
            before = self._now() - seconds
            silent = [each for each, (beaten, _) in self._workers.items() if beaten < before]
            for each in silent:
                del self._workers[each]
            return len(silent)

    def leave(self, worker_id: WorkerId) -> None:
        """See `WorkerRegistry.leave`."""
        with self._lock:
            self._workers.pop(worker_id, None)

    def alive(self, within: float) -> Sequence[Worker]:
        """See `WorkerRegistry.alive`."""
        with self._lock:
            now = self._now()
            beaten = [(now - at, worker) for at, worker in self._workers.values()]
        found = [replace(worker, silent=silent) for silent, worker in beaten if silent <= within]
        return sorted(found, key=lambda worker: worker.id)
