"""Previews on the websocket: for those who ask, and for nobody else."""

import base64
import io
import json
import time

import pytest
from PIL import Image

from server.domain.lifecycle import TaskStatus
from tests.serving import Easel, collect, serving

FIELDS = {"type", "id", "tasktoken", "message", "result", "success", "terminal", "exitCode"}
SLOW = {"width": "256", "height": "128", "steps": "40", "samples": "1", "refiner": "--only_base_model"}


@pytest.fixture(scope="module")
def easel(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("previews"), fake="step_ms=60") as opened:
        yield opened


def register(socket, token: str, **more) -> None:
    socket.send(json.dumps({"type": "task_info", "tasktoken": token, **more}))


def previews(frames: list[dict]) -> list[dict]:
    return [frame for frame in frames if frame["type"] == "task_preview"]


def test_a_client_that_asks_sees_jpegs_and_the_same_story(easel: Easel):
    token = easel.run(**SLOW)["socketaccesstoken"]
    with easel.socket() as asking, easel.socket() as other:
        register(asking, token, preview=True)
        register(other, token)
        shown, plain = collect(asking), collect(other)

    assert previews(shown)
    assert previews(plain) == [], "nobody gets what he did not ask for"
    for frame in previews(shown):
        assert frame.keys() >= FIELDS
        assert (frame["tasktoken"], frame["terminal"], frame["success"], frame["exitCode"]) == (
            token,
            False,
            None,
            None,
        )
        message = frame["message"]
        image = Image.open(io.BytesIO(base64.b64decode(message["data"])))
        assert message["contenttype"] == "image/jpeg"
        assert (image.format, image.size) == ("JPEG", (message["width"], message["height"]))
        assert image.width == 2 * image.height
        assert message["sample"] == 0
        assert 1 <= int(message["stepCurrent"]) <= int(message["stepTotal"]) == 40
        assert len(json.dumps(frame)) < 64_000
    steps = [int(frame["message"]["stepCurrent"]) for frame in previews(shown)]
    assert steps == sorted(set(steps))
    events = [frame["seq"] for frame in shown if "seq" in frame]
    assert events == [frame["seq"] for frame in plain if "seq" in frame]


def test_asking_can_be_taken_back_and_repeated(easel: Easel):
    token = easel.run(**SLOW, prompt="<fake:slow> a fox")["socketaccesstoken"]
    with easel.socket() as socket:
        register(socket, token)
        collect(socket, "task_start")
        register(socket, token, preview=True)
        assert collect(socket, "task_preview")[-1]["type"] == "task_preview"
        register(socket, token)  # as before
        assert collect(socket, "task_preview")[-1]["type"] == "task_preview"
        register(socket, token, preview=False)
        deadline = time.monotonic() + 1.5
        late: list[dict] = []
        while time.monotonic() < deadline:
            late += [json.loads(socket.recv(5))]
        assert len(previews(late)) <= 1, "one may have been on its way"
        easel.post("Task/Kill", {"tasktoken": token})
        assert previews(collect(socket)) == []


def test_a_killed_task_is_shown_no_more(easel: Easel):
    task = easel.run(**SLOW, prompt="<fake:slow> a fox")
    token = task["socketaccesstoken"]
    with easel.socket() as socket:
        register(socket, token, preview=True)
        collect(socket, "task_preview")
        easel.post("Task/Kill", {"tasktoken": token})
        frames = collect(socket)
    assert frames[-1]["type"] == TaskStatus.CANCEL.value
    with easel.socket() as socket:
        register(socket, token, preview=True)
        assert previews(collect(socket)) == []


@pytest.mark.parametrize("wish", ["true", 1, None, {}, []])
def test_what_is_no_wish_is_a_plain_registration(easel: Easel, wish):
    token = easel.run(steps="3", samples="1")["socketaccesstoken"]
    with easel.socket() as socket:
        register(socket, token, preview=wish)
        frames = collect(socket)
    assert frames[-1]["type"] == "task_postprocess_end"
    assert previews(frames) == []
