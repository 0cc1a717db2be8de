"""Frames stay short and whole whatever an engine says (trap 25)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.frames import MAX_FRAME, event_frame, plain_frame, progress_frame
from server.domain.events import TERMINAL_EVENTS, EventType, TaskEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import Output, Progress, Task
from server.domain.types import FileId, ProjectId, TaskId

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=3000)
NASTY = ["😀" * 3000, "漢" * 3000, "\x00" * 3000, '"' * 3000, "\\" * 3000, "a" * 100_000, "\ud800" * 3000, "x" * 3900]


def picture(number=0):
    return Output(
        sample=number,
        name=f"{number}.png",
        content_type="image/png",
        size=1,
        sha256="0" * 64,
        access_key="k" * 32,
        key="k",
        id=FileId(number),
        uuid="u" * 36,
        attempt=1,
        created_at=1.0,
    )


def task(status=TaskStatus.START, pexit="", files=()):
    return Task(
        id=TaskId(2**62),
        uuid="u" * 36,
        project_id=ProjectId(1),
        token="A" * 30,
        model="hevok/studio-trigger",
        parameters={},
        values={},
        callback_url="",
        base_url="https://pictures.example.org",
        status=status,
        turn=1,
        attempt=1,
        crashes=0,
        last_seq=1,
        pexit=pexit,
        message="",
        times={},
        files=files,
    )


def frame_of(kind, message, about=None):
    event = TaskEvent(task_id=TaskId(1), seq=2**31, attempt=1, type=kind, message=message, at=1734513807.123)
    text = event_frame(about or task(), event)
    return len(text.encode()), json.loads(text)


@given(ANY_TEXT)
@pytest.mark.parametrize("kind", [EventType.OUTPUT_FULL, EventType.ERROR_FULL])
def test_trap_25_a_log_of_anything_fits(kind, log):
    size, frame = frame_of(kind, {"raw": log})

    assert size <= MAX_FRAME == 4096
    assert log.encode(errors="replace").decode().endswith(frame["message"]["raw"])


@given(ANY_TEXT)
def test_trap_25_a_line_of_anything_fits(line):
    size, frame = frame_of(EventType.ERROR, line)

    assert size <= 4096
    assert line.encode(errors="replace").decode().startswith(frame["message"])


@pytest.mark.parametrize("text", NASTY)
def test_trap_25_what_fits_is_kept(text):
    shown = text.encode(errors="replace").decode()
    for kind, message in ((EventType.OUTPUT_FULL, {"raw": text}), (EventType.ERROR, text)):
        size, frame = frame_of(kind, message)
        kept = frame["message"]["raw"] if kind is EventType.OUTPUT_FULL else frame["message"]
        assert size <= 4096
        assert kept == shown or size > 4096 - 40, "no more is cut than must be"


@pytest.mark.parametrize("kind", [kind for kind in EventType if kind is not EventType.OUTPUT])
def test_trap_23_every_event_gives_every_field(kind):
    _, frame = frame_of(kind, None)

    assert {"type", "id", "tasktoken", "message", "result", "success", "terminal", "exitCode"} <= set(frame)
    assert frame["type"] == kind.value
    assert frame["terminal"] is (kind in TERMINAL_EVENTS)
    assert frame["id"] == str(2**62)


def test_a_terminal_frame_is_never_cut():
    files = tuple(picture(number) for number in range(20))
    size, frame = frame_of(EventType.POSTPROCESS_END, None, task(TaskStatus.POSTPROCESS_END, "0", files))

    assert len(frame["message"]) == 20
    assert 4096 < size < 2**20, "Swift and Python read a mebibyte"
    assert (frame["success"], frame["exitCode"]) == (True, 0)


@pytest.mark.parametrize("payload", [{}, {"step": None, "total": "x"}, {"step": 3, "total": 0}, {"phase": None}])
def test_progress_of_anything_is_readable(payload):
    frame = json.loads(progress_frame(task(), Progress(version=1, attempt=1, payload=payload)))

    assert int(frame["message"]["percentage"]) == 0
    assert int(frame["message"]["stepTotal"]) == 0


def test_a_refusal_of_a_strange_token_can_be_sent():
    assert json.loads(plain_frame("error", message="x", result=False, token="\ud800"))["tasktoken"] == "?"
