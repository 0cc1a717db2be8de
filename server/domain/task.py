"""The task and what belongs to it: lease, ending, stored files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from server.domain.files import NewUpload, Reason, TaskInput
from server.domain.kill import KillReceipt
from server.domain.lifecycle import TERMINAL, TaskStatus
from server.domain.types import FileId, JsonObject, JsonValue, ProjectId, TaskId

SUCCESS: Final = "0"
"""The `pexit` of a task that made all its pictures; "" means the process has not exited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """What a client names a Run by, so that repeating it makes no second task: for `seconds`, with the same body."""

    text: str
    body_hash: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task about to be written. `parameters` echoes the request; `values` are its checked values.

    `uploads` are files that came with the request, `inputs` all files of this server that the task reads. `cps` is its
    price per second of drawing, as it is today. `traceparent` is the header that its trace continues, "" for one of its
    own; None: it owes no trace.
    """

    project_id: ProjectId
    token: str
    uuid: str
    model: str
    parameters: JsonObject
    values: JsonObject
    callback_url: str
    base_url: str
    uploads: tuple[NewUpload, ...] = ()
    inputs: tuple[TaskInput, ...] = ()
    cps: float = 0.0
    run_key: RunKey | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that has been written: what the store keeps about it.

    `key` is where the `FileStore` finds it, `access_key` the unguessable part of its public URL, `sample` its place
    among the task's outputs.
    """

    sample: int
    name: str
    content_type: str
    size: int
    sha256: str
    access_key: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(StoredFile):
    """A stored picture of a task, as read back from its row."""

    id: FileId
    uuid: str
    attempt: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as its row says now.

    `times` holds, for the current attempt, when each status was reached (unix seconds, database time); QUEUE's is the
    time of submission. `files` are the pictures written by the current attempt, in sample order; `removed` says why
    they are gone, if they are. `receipt` says what it draws with, and is empty until a worker knows; `kill` what
    it took to stop it. `cps` is the price per second of drawing at the time of submission.
    """

    id: TaskId
    uuid: str
    project_id: ProjectId
    token: str
    model: str
    parameters: JsonObject
    values: JsonObject
    callback_url: str
    base_url: str
    status: TaskStatus
    turn: int
    attempt: int
    crashes: int
    last_seq: int
    pexit: str
    message: str
    times: Mapping[TaskStatus, float]
    cps: float = 0.0
    files: tuple[Output, ...] = field(default=())
    removed: Reason | None = None
    receipt: JsonObject = field(default_factory=dict[str, JsonValue])
    kill: KillReceipt | None = None

    @property
    def succeeded(self) -> bool | None:
        """Whether the task made all its pictures; None while nobody knows."""
        if self.status is TaskStatus.CANCEL:
            return False
        return None if self.pexit == "" else self.pexit == SUCCESS

    @property
    def terminal(self) -> bool:
        """Whether nothing can happen to the task any more."""
        return self.status in TERMINAL

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The pictures of a successful task; nothing otherwise."""
        return self.files if self.succeeded else ()

    @property
    def partial_outputs(self) -> tuple[Output, ...]:
        """Pictures finished before a kill or a failure, or so far."""
        return () if self.succeeded else self.files


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write to a task. Every write of a worker is fenced by all three fields."""

    task_id: TaskId
    attempt: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A task and the lease under which it was claimed or taken over."""

    task: Task
    lease: Lease


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run ended: `pexit` as Wiro means it, and one plain sentence for people ("" on success)."""

    pexit: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a running task is: one overwritten row, never part of the log.

    `version` rises with every overwrite, across attempts; `payload` is what `task_output` carries.
    """

    version: int
    attempt: int
    payload: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a task's log and progress have come: enough to know whether a socket has to be told something."""

    last_seq: int
    progress_version: int
