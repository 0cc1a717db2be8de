"""The frames of the project stream: an addition of easel's, beside Wiro's. They hold no token, prompt or picture."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from server.domain.events import TERMINAL_EVENTS
from server.domain.lifecycle import TaskStatus
from server.domain.overview import Ended, Happening, Held, Minute, News, Outcome, QueueDepth, outcome_of
from server.domain.types import JsonObject, ProjectId
from server.domain.worker import Worker, WorkerState

READY: Final = "project_ready"
TASK: Final = "project_task"
SNAPSHOT: Final = "project_snapshot"
SILENT: Final = "silent"

Names: TypeAlias = Mapping[ProjectId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a stream begins: who watches, from when on he is told (unix seconds), and the hour before `at`."""

    name: str
    operator: bool
    since: float
    at: float
    minutes: Iterable[Minute]
    failures: Iterable[Ended]


def ready_frame(opening: Opening, names: Names) -> str:
    """Return the answer to a registration."""
    return _encode(
        {
            "type": READY,
            "project": opening.name,
            "operator": opening.operator,
            "since": round(opening.since, 3),
            "at": round(opening.at, 3),
            "minutes": [minute_wire(minute) for minute in opening.minutes],
            "failures": [_failure_wire(one, names) for one in opening.failures],
        }
    )


def task_frame(news: News, happening: Happening, names: Names) -> str:
    """Return one event of a task. `seq` counts within the task, without gaps: whoever has it drops it."""
    terminal = happening.type in TERMINAL_EVENTS
    frame: dict[str, object] = {
        "type": TASK,
        "id": str(news.id),
        "project": names.get(news.project_id, ""),
        "model": news.model,
        "event": happening.type.value,
        "seq": happening.seq,
        "attempt": happening.attempt,
        "at": round(happening.at, 3),
        "terminal": terminal,
    }
    return _encode(frame | _ending(news, happening) if terminal else frame)


def _ending(news: News, happening: Happening) -> dict[str, object]:
    submitted, claimed = news.times[TaskStatus.QUEUE], news.times.get(TaskStatus.ACCEPT)
    return {
        "outcome": outcome_of(news.status, news.pexit, claimed=claimed is not None).value,
        "pexit": news.pexit,
        "message": news.message,
        "seconds": round(max(0.0, happening.at - submitted), 3),
        "drawn": 0.0 if claimed is None else round(max(0.0, happening.at - claimed), 3),
    }


def snapshot_wire(
    *, at: float, queues: Iterable[QueueDepth], held: Iterable[Held], workers: Sequence[object], names: Names
) -> dict[str, object]:
    """Return what a snapshot tells; the frame adds from when on its reader would resume."""
    return {
        "type": SNAPSHOT,
        "at": round(at, 3),
        "queues": [_queue_wire(depth, names) for depth in queues if depth.project_id in names],
        "running": [_held_wire(one, at, names) for one in held],
        "workers": workers,
    }


def snapshot_frame(snapshot: Mapping[str, object], since: float) -> str:
    """Return the snapshot for a reader who is told everything up to `since` (unix seconds)."""
    return _encode({**snapshot, "since": round(since, 3)})


def minute_wire(minute: Minute) -> dict[str, object]:
    """Return what ended within a minute; seconds are from submission, of the succeeded."""
    counts = {outcome.value: minute.outcomes.get(outcome, 0) for outcome in Outcome}
    return {"at": minute.at, **counts, "median": round(minute.median, 3), "tail": round(minute.tail, 3)}


def worker_wire(worker: Worker, tasks: int, *, silent_after: float, host: bool) -> dict[str, object]:
    """Return a worker that holds so many tasks, whosever they are; where it runs is told to operators alone."""
    levels = worker.report.levels
    state = SILENT if worker.silent > silent_after else worker.state.value
    wire: dict[str, object] = {
        "id": worker.id,
        "engine": worker.engine,
        "device": worker.device,
        "state": state,
        "ready": state == WorkerState.READY.value,
        "heartbeat": round(worker.silent, 1),
        "tasks": tasks,
        "capacity": levels.get("capacity"),
        "memory": levels.get("memory_used", levels.get("host_memory")),
        "memoryTotal": levels.get("memory_total"),
    }
    return {**wire, "host": worker.host, "pid": worker.pid} if host else wire


def _failure_wire(ended: Ended, names: Names) -> dict[str, object]:
    return {
        "id": str(ended.id),
        "project": names.get(ended.project_id, ""),
        "model": ended.model,
        "at": round(ended.at, 3),
        "message": ended.message,
    }


def _queue_wire(depth: QueueDepth, names: Names) -> dict[str, object]:
    return {
        "project": names[depth.project_id],
        "model": depth.model,
        "queued": depth.queued,
        "oldest": round(depth.oldest, 1),
        "running": depth.running,
    }


def _held_wire(held: Held, at: float, names: Names) -> dict[str, object]:
    payload: JsonObject = {} if held.progress is None else held.progress.payload
    return {
        "id": str(held.id),
        "project": names.get(held.project_id, ""),
        "model": held.model,
        "status": held.status.value,
        "attempt": held.attempt,
        "worker": held.worker_id,
        "seconds": round(max(0.0, at - held.since), 1),
        **{key: payload.get(key) for key in ("step", "total", "phase", "sample", "speed", "remaining")},
    }


def _encode(frame: Mapping[str, object]) -> str:
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()  # as in `server.api.frames`
