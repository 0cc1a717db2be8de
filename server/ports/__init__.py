"""What the use cases need of the world, as protocols. Fakes and real things pass the same contract suites."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain.events import TaskEvent
from server.domain.kill import Killed
from server.domain.lifecycle import TaskStatus
from server.domain.project import Credential, NewProject, Project
from server.domain.task import Claimed, Head, Lease, NewTask, Output, Progress, Task
from server.domain.types import ProjectId, TaskId, WorkerId
from server.domain.worker import Wish, Worker
from server.domain.writes import Write
from server.ports.files import FileStore as FileStore  # as one of the room's first names


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """A page of a project's tasks, newest first unless `ascending`.

    `model` filters by a part of the model's name, in any case; tasks of `or_models` are wanted as well.
    `statuses` are those wanted, none for all. `succeeded` wants tasks that have ended by themselves, well or failed.
    """

    start: int = 0
    limit: int = 20
    ascending: bool = False
    model: str = ""
    or_models: frozenset[str] = frozenset()
    statuses: frozenset[TaskStatus] = frozenset()
    succeeded: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of tasks, and how many there are in all."""

    total: int
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Story:
    """A consistent snapshot of a task: its row, the events after some seq, its latest progress."""

    task: Task
    events: Sequence[TaskEvent]
    progress: Progress | None


class TaskStore(Protocol):
    """The queue. A verb that moves a task writes its status and its event in one transaction.

    Verbs that take a `Lease` raise `LeaseLost` when the row no longer carries that attempt and lease token, or its
    status does not allow the move; nothing is written then. Every verb raises `Unavailable` when the database is away.
    """

    def submit(self, new: NewTask) -> Task:
        """Write the task in QUEUE with its first event.

        Its `turn` is one more than the greatest turn its project has in the queue, or than the lowest turn queued by
        anyone, whichever is greater: projects take turns, whoever sends more waits behind himself.

        A live `run_key` of the project gives back its task and writes nothing; with another body it raises `KeyReused`.
        Raises `QueueFull` when the project, or the server, has as many tasks queued as it may: never one more,
        however many submit at once.
        """
        ...

    def find(self, project_id: ProjectId, task_id: TaskId) -> Task | None:
        """Return the project's task of that id, with its files."""
        ...

    def find_by_token(self, token: str) -> Task | None:
        """Return the task of that socket access token, with its files."""
        ...

    def find_file(self, access_key: str) -> Output | None:
        """Return the picture of that access key."""
        ...

    def page(self, project_id: ProjectId, query: PageQuery) -> Page:
        """Return one page of the project's tasks, with their files."""
        ...

    def cancel(self, task_id: TaskId, sources: Collection[TaskStatus]) -> Task | None:
        """Move the task to CANCEL and clear its lease, if its status is one of `sources`; else return None.

        The move must also be allowed by the transition table.
        """
        ...

    def claim(
        self,
        worker_id: WorkerId,
        models: Collection[str],
        seconds: float,
        *,
        waited: float = 0.0,
        not_of: Collection[ProjectId] = (),
    ) -> Claimed | None:
        """Take the queued task of lowest (turn, id) among `models`: one statement.

        Passes over projects that have as many tasks running as they may, projects of `not_of`, and tasks that were
        submitted less than `waited` seconds ago. Moves it to ACCEPT, raises `attempt`, and grants a lease of `seconds`.
        Two claimers never get the same task.
        """
        ...

    def write(self, lease: Lease, writes: Sequence[Write]) -> None:
        """Write parts of the task's story as if one after another, in one transaction: all of them or none."""
        ...

    def write_kill(self, killed: Killed, ago: float) -> float | None:
        """Write the kill receipt of an attempt whose device came free `ago` seconds ago; the first one counts.

        Returns the seconds from the kill until then. Nothing is written, and None returned, unless that attempt was
        killed while it ran. Nothing else of the task changes.
        """
        ...

    def renew(self, leases: Collection[Lease], seconds: float) -> frozenset[TaskId]:
        """Extend the leases; return the tasks still held. A lease that ran out but was not taken over is still held."""
        ...

    def held(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """Return the tasks whose lease is still held: a read, cheap enough for four times a second."""
        ...

    def take_over(self, worker_id: WorkerId, seconds: float, limit: int = 20) -> Sequence[Claimed]:
        """Take up to `limit` tasks whose lease ran out, oldest first, each under a fresh lease; no status changes.

        Whoever held one before loses it. What to do with them is for `domain.rescue` to say.
        """
        ...

    def forget_run_keys(self, older_than: float) -> int:
        """Forget the run keys of more than so many seconds ago; return how many."""
        ...


class EventLog(Protocol):
    """Reading the log. Writing happens only through the store's moves."""

    def heads(self, task_ids: Collection[TaskId]) -> Mapping[TaskId, Head]:
        """Return how far each task has come; unknown ids are left out."""
        ...

    def story(self, task_id: TaskId, after: int = 0) -> Story | None:
        """Return the task, its events with seq > `after` in order, and its progress, read in one transaction."""
        ...


class ProjectStore(Protocol):
    """Projects and their credentials."""

    def create(self, new: NewProject) -> Project:
        """Write a project; raise `BadRequest` when the name is taken, or some project has this key."""
        ...

    def by_key_hash(self, key_hash: str) -> Project | None:
        """Return the project whose API key, new or retiring, has this SHA-256 (hex); a revoked one, too."""
        ...

    def by_name(self, name: str) -> Project | None:
        """Return the project of this name."""
        ...

    def rotate(self, old: Project, new: Credential, grace_seconds: float) -> Project | None:
        """Put `new` in the place of the credential of `old`, which retires for `grace_seconds`; 0 retires nothing.

        What retired before is let in no more. Returns None when the project has another credential by now.
        """
        ...

    def end_grace(self, project_id: ProjectId) -> None:
        """Let nobody in with what is retiring."""
        ...

    def set_revoked(self, project_id: ProjectId, *, revoked: bool) -> None:
        """Refuse every call of the project from now on, or serve it again."""
        ...

    def set_limits(self, project_id: ProjectId, *, queued: int | None, running: int | None) -> None:
        """Write the project's own limits; None for the server's."""
        ...

    def all(self) -> Sequence[Project]:
        """Return every project, by name."""
        ...


class WorkerRegistry(Protocol):
    """Which workers there are."""

    def beat(self, worker: Worker) -> Wish | None:
        """Write the worker's row with the database's time; return what an operator wishes of it."""
        ...

    def wish(self, name: str, wish: Wish | None) -> int:
        """Wish something of all workers of that name, or take it back; return how many there are."""
        ...

    def forget_silent(self, seconds: float) -> int:
        """Remove the rows of workers that have not beaten for so long; return how many."""
        ...

    def leave(self, worker_id: WorkerId) -> None:
        """Remove the worker's row."""
        ...

    def alive(self, within: float) -> Sequence[Worker]:
        """Return the workers that have beaten in the last `within` seconds."""
        ...


class SecretBox(Protocol):
    """Keeps secrets that must be read back. `context` is bound to the ciphertext and must be the same on opening."""

    def seal(self, plain: str, context: str) -> bytes:
        """Encrypt."""
        ...

    def open(self, sealed: bytes, context: str) -> str:
        """Decrypt; raises `Unavailable` if the key file does not fit."""
        ...


class Wakeups(Protocol):
    """Hints that something may have changed. Nobody may rely on them: polling is the truth."""

    def wake(self) -> None:
        """Tell whoever listens to look at once."""
        ...

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback`, from any thread, at each wake-up."""
        ...


class Clock(Protocol):
    """Time of this process: for pacing and elapsed time. Leases live on database time."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        ...


class Health(Protocol):
    """Whether the database can be used."""

    def trouble(self) -> str | None:
        """Return one sentence that says what is wrong with the database or its schema, or None."""
        ...
