"""Websocket frames: a task's events and progress in Wiro's shape, one JSON object each."""

import base64
import json
from collections.abc import Mapping
from typing import Final

from server.api.expectations import expectation_wire
from server.api.wire import output_wire
from server.domain.events import TERMINAL_EVENTS, EventType, TaskEvent
from server.domain.expectation import Expectation
from server.domain.preview import Preview
from server.domain.task import Progress, Task
from server.domain.types import JsonValue

MAX_FRAME: Final = 4096
"""Bytes of a non-terminal frame: some clients read no more per message (trap 25)."""

PREVIEW: Final = "task_preview"
"""The type of a frame with a picture on its way: an addition of easel's, no event of a task."""

_NOTHING: Final = Expectation()
_LONGEST_ESCAPE: Final = 6  # \\u001b

_OUTCOME_KNOWN: Final = TERMINAL_EVENTS | {EventType.END, EventType.POSTPROCESS_START}


def event_frame(task: Task, event: TaskEvent, expected: Expectation = _NOTHING) -> str:
    """Return the frame of an event. `seq`, `attempt`, `at` and what is expected of a queued task are our additions."""
    known = event.type in _OUTCOME_KNOWN
    frame: dict[str, object] = {
        "type": event.type.value,
        "id": str(task.id),
        "tasktoken": task.token,
        "message": _message(task, event),
        "result": event.type is not EventType.CANCEL,
        "success": task.succeeded if known else None,
        "terminal": event.type in TERMINAL_EVENTS,
        "exitCode": int(task.pexit) if known and task.pexit else None,
        "pexit": task.pexit if known else "",
        "seq": event.seq,
        "attempt": event.attempt,
        "at": round(event.at, 3),
    }
    if event.type is EventType.QUEUE and event.seq == task.last_seq:
        frame |= expectation_wire(expected)
    text = _encode(frame)
    excess = len(text.encode()) - MAX_FRAME
    if event.type in TERMINAL_EVENTS or excess <= 0:
        return text
    frame["message"] = _shorten(event.message, excess)
    return _encode(frame)


def progress_frame(task: Task, progress: Progress) -> str:
    """Return the `task_output` frame with Wiro's progress object."""
    return _encode(
        {
            "type": EventType.OUTPUT.value,
            "id": str(task.id),
            "tasktoken": task.token,
            "message": _progress(progress.payload),
            "result": True,
            "success": None,
            "terminal": False,
            "exitCode": None,
            "attempt": progress.attempt,
        }
    )


def preview_frame(token: str, preview: Preview) -> str:
    """Return the frame of a preview, for sockets that asked: larger than `MAX_FRAME`, 35 KB at most."""
    message = {
        "contenttype": "image/jpeg",
        "data": base64.b64encode(preview.jpeg).decode("ascii"),
        "width": preview.width,
        "height": preview.height,
        "sample": preview.sample,
        "stepCurrent": str(preview.step),
        "stepTotal": str(preview.total_steps),
    }
    return _encode(
        {
            "type": PREVIEW,
            "id": str(preview.task_id),
            "tasktoken": token,
            "message": message,
            "result": True,
            "success": None,
            "terminal": False,
            "exitCode": None,
            "attempt": preview.attempt,
        }
    )


def plain_frame(kind: str, *, message: str | None = None, result: bool, token: str = "", **more: str) -> str:
    """Return a frame that belongs to no event: the welcome, or a refused registration."""
    frame = {"type": kind, "id": "", "tasktoken": token, "message": message, "result": result}
    return _encode({**frame, "success": None, "terminal": False, "exitCode": None, **more})


def _message(task: Task, event: TaskEvent) -> object:
    match event.type:
        case EventType.POSTPROCESS_END:
            return [output_wire(task, file) for file in task.outputs]
        case EventType.CANCEL:
            return "The task was cancelled."
        case _:
            return event.message


def _progress(payload: Mapping[str, JsonValue]) -> Mapping[str, object]:
    def number(key: str) -> float:
        value = payload.get(key)
        return float(value) if isinstance(value, int | float) else 0.0

    step, total = number("step"), number("total")
    return {
        "type": "progressGenerate",
        "task": "Generate",
        "percentage": f"{100 * step / total:.0f}" if total else "0",
        "stepCurrent": f"{step:.0f}",
        "stepTotal": f"{total:.0f}",
        "speed": f"{number('speed'):.2f}",
        "speedType": "it/s",
        "elapsedTime": f"{number('elapsed'):.0f}s",
        "remainingTime": f"{number('remaining'):.0f}s",
        "phase": payload.get("phase"),
        "sample": payload.get("sample"),
    }


def _shorten(message: JsonValue, excess: int) -> JsonValue:
    """Drop at least `excess` encoded bytes: the beginning of a log, the end of anything else."""
    if isinstance(message, Mapping) and isinstance(raw := message.get("raw"), str):
        return {"raw": _drop(raw[::-1], excess)[::-1]}
    return _drop(str(message), excess)


def _drop(text: str, excess: int) -> str:
    """Return `text` without its last characters, so that its JSON form is `excess` bytes shorter."""
    limit = len(_encode_text(text)) - excess
    while text and (over := len(_encode_text(text)) - limit) > 0:
        text = text[: -max(1, over // _LONGEST_ESCAPE)]
    return text


def _encode_text(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode(errors="replace")


def _encode(frame: Mapping[str, object]) -> str:
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()  # an engine's log may hold lone surrogates, a text frame may not
