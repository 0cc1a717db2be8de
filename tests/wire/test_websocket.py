"""The websocket at /v1 (section 6; traps 3, 9, 10, 13, 14, 22, 23, 25)."""

import json
import socket
import time

import pytest
from websockets.sync.client import connect

from server.domain.types import ProjectId
from tests.serving import collect
from tests.stores import new_task
from tests.wire.frames import hold_raw_socket
from tests.wire.porch import BEFORE_THE_END, STATUSES

STORY = [
    *("task_queue", "task_accept", "task_preprocess_start", "task_preprocess_end", "task_assign", "task_start"),
    *("task_output_full", "task_end", "task_postprocess_start", "task_postprocess_end"),
]
STORY_OF_A_FAILURE = [*STORY[:7], "task_error_full", *STORY[7:]]
FAILS = "a lake <fake:fails_at_step:3>"
SLOW = "a lake <fake:slow>"
BASE_ONLY = "--only_base_model"


def register(connection, token):
    connection.send(json.dumps({"type": "task_info", "tasktoken": token}))


def welcomed(connection):
    return json.loads(connection.recv(10))


def story_of(frames, task_id=None):
    """Return the types in order, without what may come any number of times."""
    passing = {"task_output", "task_error"}
    return [frame["type"] for frame in frames if frame["type"] not in passing and task_id in {None, frame["id"]}]


def is_silent(connection, seconds=0.4):
    try:
        connection.recv(seconds)
    except TimeoutError:
        return True
    return False


@pytest.fixture(scope="module")
def drawn(easel):
    return easel.finish(samples=2)


@pytest.fixture(scope="module")
def failed(easel):
    return easel.finish(prompt=FAILS)


# ── the welcome and what clients send ────────────────────────────────────────────────────────────────────────────────
def test_the_welcome(idle):
    with idle.socket() as connection:
        frame = welcomed(connection)
        assert (frame["type"], frame["version"], frame["terminal"]) == ("connected", "1.0", False)
        assert is_silent(connection)


def test_no_key_is_needed_and_headers_are_ignored(idle):
    with idle.socket(additional_headers={"x-api-key": "wrong", "Origin": "https://example.org"}) as connection:
        assert welcomed(connection)["type"] == "connected"


@pytest.mark.parametrize("path", ["/v1", "/v1/", "//v1", "/v1?"])
def test_careless_paths(idle, path):
    with connect(f"ws://127.0.0.1:{idle.port}{path}", proxy=None) as connection:
        assert welcomed(connection)["type"] == "connected"


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"task_info","tasktoken":"%s"}',
        '{"type": "task_info", "tasktoken": "%s"}',
        '\n{ "tasktoken" : " %s " , "more": [1, {"a": null}], "type" : "task_info" }\n',
    ],
)
def test_a_registration_in_any_writing(idle, message):
    run = idle.run()

    with idle.socket() as connection:
        connection.send(message % run["socketaccesstoken"])
        assert story_of(collect(connection, "task_queue")) == ["task_queue"]


@pytest.mark.parametrize("token", ["", "  ", None, 5, [], {}, "ä", "a\0b", "\ud800"])
def test_trap_09_a_registration_without_a_token_is_refused_and_the_socket_stays(idle, token):
    run = idle.run()
    with idle.socket() as connection:
        assert welcomed(connection)
        register(connection, token)
        refusal = json.loads(connection.recv(10))
        assert (refusal["type"], refusal["message"], refusal["result"]) == ("error", "tasktoken-required", False)
        connection.send(json.dumps({"type": "task_info"}))
        assert json.loads(connection.recv(10))["message"] == "tasktoken-required"
        register(connection, run["socketaccesstoken"])
        assert json.loads(connection.recv(10))["type"] == "task_queue"


@pytest.mark.parametrize("token", ["A" * 30, "1", "test", "x" * 10_000])
def test_trap_09_an_unknown_token_is_refused_and_the_socket_stays(idle, token):
    run = idle.run()
    with idle.socket() as connection:
        assert welcomed(connection)
        register(connection, token)
        refusal = json.loads(connection.recv(10))
        assert (refusal["type"], refusal["result"], refusal["terminal"]) == ("error", False, False)
        register(connection, run["socketaccesstoken"])
        assert json.loads(connection.recv(10))["type"] == "task_queue"


JUNK = {
    "no JSON": "hello",
    "nothing": "",
    "a string": '"task_info"',
    "a list": '["task_info"]',
    "null": "null",
    "not a number": "NaN",
    "another type": '{"type":"task_session_end","tasktoken":"x"}',
    "a type that is none": '{"type":["task_info"],"tasktoken":"x"}',
    "half of it": '{"type":"task_info","tasktoken":"',
    "nested": "[" * 30_000,
    "nested objects": '{"a":' * 10_000,
    "a long number": "9" * 60_000,
    "60 KB of text": "ä" * 30_000,
    "a lone surrogate": '{"type":"\\ud800"}',
    "bytes": b"\x00\xff\xfe",
    "JSON as bytes": b'{"type":"task_info","tasktoken":"x"}',
    "60 KB of bytes": b"\x00" * 60_000,
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_trap_09_junk_is_dropped_silently(idle, junk):
    run = idle.run()
    with idle.socket() as connection:
        assert welcomed(connection)
        for _ in range(3):
            connection.send(junk)
        register(connection, run["socketaccesstoken"])
        assert json.loads(connection.recv(10))["type"] == "task_queue"


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "prompt", ["a lake", FAILS, SLOW, "a lake <fake:floods_log>", "a lake <lora:nowhere:1>", "a <fake:out_of_memory>"]
)
def test_trap_23_every_frame_has_every_field(easel, prompt):
    run = easel.run(prompt=prompt, steps=4, refiner=BASE_ONLY)
    with easel.socket() as connection:
        frames = [welcomed(connection)]
        register(connection, "")
        register(connection, run["socketaccesstoken"])
        frames += collect(connection)

    for frame in frames:
        assert {"type", "id", "tasktoken", "message", "result", "success", "terminal", "exitCode"} <= set(frame)
        assert isinstance(frame["type"], str)
        assert type(frame["result"]) is bool
        assert type(frame["terminal"]) is bool
        assert frame["terminal"] is (frame["type"] in {"task_postprocess_end", "task_cancel"})
        assert frame["success"] is None or type(frame["success"]) is bool
        assert frame["exitCode"] is None or type(frame["exitCode"]) is int
        own = frame["type"].startswith("task_")
        assert (frame["id"], frame["tasktoken"]) == ((run["taskid"], run["socketaccesstoken"]) if own else ("", ""))
    good = "fail" not in prompt and "memory" not in prompt
    for frame in frames:
        known = frame["type"] in {"task_end", "task_postprocess_start", "task_postprocess_end"}
        assert (frame["success"], frame["exitCode"]) == ((good, 0 if good else 1) if known else (None, None))


def test_messages_of_a_success(easel, drawn):
    for frame in easel.follow(drawn["socketaccesstoken"]):
        match frame["type"]:
            case "task_output_full":
                assert set(frame["message"]) == {"raw"}
                assert isinstance(frame["message"]["raw"], str)
            case "task_postprocess_end":
                assert frame["message"] == drawn["outputs"]
            case _:
                assert frame["message"] is None
        assert frame["result"] is True


def test_trap_14_messages_of_a_failure(easel, failed):
    for frame in easel.follow(failed["socketaccesstoken"]):
        match frame["type"]:
            case "task_output_full":
                assert isinstance(frame["message"]["raw"], str)
            case "task_error_full":
                assert frame["message"] == {"raw": failed["debugerror"]}
            case "task_postprocess_end":
                assert frame["message"] == []
            case _:
                assert frame["message"] is None


def test_trap_03_log_lines_are_strings(easel):
    frames = easel.follow(easel.run(prompt="a lake <lora:nowhere:1>")["socketaccesstoken"])

    lines = [frame["message"] for frame in frames if frame["type"] == "task_error"]
    assert lines
    assert all(isinstance(line, str) for line in lines)
    [whole_log] = [frame["message"]["raw"] for frame in frames if frame["type"] == "task_output_full"]
    assert all(line in whole_log for line in lines)


def test_progress(easel):
    run = easel.run(prompt=SLOW, steps=8, refiner=BASE_ONLY)

    frames = easel.follow(run["socketaccesstoken"])

    progress = [frame["message"] for frame in frames if frame["type"] == "task_output"]
    assert len(progress) >= 2
    for one in progress:
        assert (one["type"], one["task"], one["speedType"]) == ("progressGenerate", "Generate", "it/s")
        assert one["stepTotal"] == "8"
        assert 0 < int(one["stepCurrent"]) <= 8
        assert 0 < int(one["percentage"]) <= 100
        assert float(one["speed"]) > 0
        for name in ("elapsedTime", "remainingTime"):
            assert one[name].removesuffix("s").isdigit()
            assert one[name].endswith("s")
    steps = [int(one["stepCurrent"]) for one in progress]
    assert steps == sorted(set(steps))
    types = [frame["type"] for frame in frames]
    first, last = types.index("task_output"), len(types) - 1 - types[::-1].index("task_output")
    assert types.index("task_start") < first
    assert last < types.index("task_output_full")


# ── the story ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_story_of_a_success(easel):
    assert story_of(easel.follow(easel.run()["socketaccesstoken"])) == STORY


def test_trap_22_the_story_of_a_failure(easel):
    assert story_of(easel.follow(easel.run(prompt=FAILS)["socketaccesstoken"])) == STORY_OF_A_FAILURE


def test_trap_10_whoever_comes_late_is_told_everything(easel, drawn, failed):
    for _ in range(2):
        assert [frame["type"] for frame in easel.follow(drawn["socketaccesstoken"])] == STORY
        assert [frame["type"] for frame in easel.follow(failed["socketaccesstoken"])] == STORY_OF_A_FAILURE


def test_trap_10_whoever_comes_in_the_middle_is_told_everything(easel):
    run = easel.run(prompt=SLOW, steps=3, refiner=BASE_ONLY)
    easel.until(run["socketaccesstoken"], "task_start")

    frames = easel.follow(run["socketaccesstoken"])

    assert story_of(frames) == STORY
    assert [frame["seq"] for frame in frames if "seq" in frame] == list(range(1, len(STORY) + 1))


def test_trap_10_the_present_progress_is_told_at_once(easel):
    run = easel.run(prompt="a lake <fake:hangs:5>", steps=50)
    easel.follow(run["socketaccesstoken"], "task_output")

    assert easel.follow(run["socketaccesstoken"], "task_output")[-1]["message"]["stepTotal"]
    easel.post("Task/Kill", run)


def test_several_tokens_on_one_socket(easel, drawn):
    runs = [easel.run(), easel.run(prompt=FAILS), easel.run()]
    with easel.socket() as connection:
        assert welcomed(connection)
        for token in (*(run["socketaccesstoken"] for run in runs), drawn["socketaccesstoken"]):
            register(connection, token)
        frames = []
        while sum(frame["terminal"] for frame in frames) < 4:
            frames += collect(connection)

    expected = [STORY, STORY_OF_A_FAILURE, STORY, STORY]
    assert [story_of(frames, task_id) for task_id in (*(run["taskid"] for run in runs), drawn["id"])] == expected
    tokens = {frame["id"]: frame["tasktoken"] for frame in frames}
    assert tokens == {drawn["id"]: drawn["socketaccesstoken"]} | {
        run["taskid"]: run["socketaccesstoken"] for run in runs
    }


def test_repeats_are_no_ops(easel, drawn):
    with easel.socket() as connection:
        assert welcomed(connection)
        for _ in range(3):
            register(connection, drawn["socketaccesstoken"])
        assert story_of(collect(connection)) == STORY
        register(connection, drawn["socketaccesstoken"])
        assert is_silent(connection)


def test_several_sockets_for_one_token(easel):
    run = easel.run(prompt=SLOW, steps=2, refiner=BASE_ONLY)
    with easel.socket() as one, easel.socket() as other:
        register(one, run["socketaccesstoken"])
        register(other, run["socketaccesstoken"])
        assert story_of(collect(one)) == STORY
        assert story_of(collect(other)) == STORY


@pytest.mark.parametrize("running", [False, True])
def test_the_story_of_a_stopped_task(easel, running):
    slow = easel.run(prompt=SLOW, steps=100)
    easel.until(slow["socketaccesstoken"], "task_start")
    stopped = slow if running else easel.run()
    with easel.socket() as connection:
        register(connection, stopped["socketaccesstoken"])
        collect(connection, "task_start" if running else "task_queue")
        easel.post("Task/Kill", {"taskid": stopped["taskid"]})
        last = collect(connection)[-1]
        assert last["type"] == "task_cancel"
        assert (last["result"], last["success"], last["terminal"], last["exitCode"]) == (False, False, True, None)
        assert last["message"] is None or isinstance(last["message"], str)
        assert is_silent(connection)
    easel.post("Task/Kill", {"taskid": slow["taskid"]})


# ── in step with Detail ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("prompt", ["a lake", FAILS])
def test_traps_13_22_detail_is_never_behind_a_frame(easel, prompt):
    pexit, pictures = ("0", 2) if prompt != FAILS else ("1", 0)
    for _ in range(4):
        run = easel.run(prompt=prompt, samples=2)
        with easel.socket() as connection:
            register(connection, run["socketaccesstoken"])
            frame = {"type": ""}
            while frame["type"] != "task_postprocess_end":
                frame = collect(connection, None if frame["type"] == "task_end" else "task_end")[-1]
                task = easel.detail(run["socketaccesstoken"])
                assert (task["pexit"], len(task["outputs"])) == (pexit, pictures)
                assert task["status"] in STATUSES - BEFORE_THE_END
            assert task["status"] == "task_postprocess_end"
            assert frame["message"] == task["outputs"]


def test_trap_13_detail_is_terminal_when_the_cancel_arrives(idle):
    for _ in range(4):
        run = idle.run()
        with idle.socket() as connection:
            register(connection, run["socketaccesstoken"])
            collect(connection, "task_queue")
            idle.post("Task/Cancel", {"taskid": run["taskid"]})
            assert collect(connection)[-1]["type"] == "task_cancel"
            assert idle.detail(run["socketaccesstoken"])["status"] == "task_cancel"


# ── closing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("code", [1000, 1001])
def test_trap_09_the_socket_stays_open_until_the_client_closes(easel, drawn, code):
    with easel.socket() as connection:
        register(connection, drawn["socketaccesstoken"])
        collect(connection)
        assert is_silent(connection, 0.7)
        assert connection.ping().wait(5)
        again = easel.run()
        register(connection, again["socketaccesstoken"])
        assert story_of(collect(connection)) == STORY
        connection.close(code)
        assert connection.close_code == code


def test_clients_that_vanish_disturb_nobody(easel):
    run = easel.run(prompt=SLOW, steps=4, refiner=BASE_ONLY)
    with easel.socket() as staying:
        register(staying, run["socketaccesstoken"])
        for _ in range(5):
            with easel.socket() as leaving:
                register(leaving, run["socketaccesstoken"])
                leaving.socket.shutdown(socket.SHUT_RDWR)
        assert story_of(collect(staying)) == STORY


def test_a_socket_may_follow_200_tasks(idle):
    project = ProjectId(int(idle.detail(idle.run()["socketaccesstoken"])["projectid"]))
    tasks = [idle.tasks.submit(new_task(project)) for _ in range(201)]
    with idle.socket() as connection:
        assert welcomed(connection)
        for task in tasks:
            register(connection, task.token)
        frames = [json.loads(connection.recv(10)) for _ in tasks]

        assert {frame["id"] for frame in frames if frame["type"] == "task_queue"} == {
            str(task.id) for task in tasks[:200]
        }
        [refusal] = [frame for frame in frames if frame["type"] == "error"]
        assert refusal["result"] is False
        idle.post("Task/Cancel", {"taskid": str(tasks[7].id)})
        assert collect(connection)[-1]["id"] == str(tasks[7].id)


# ── on the wire ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "prompt",
    [
        "a lake <fake:floods_log>",
        "a lake " + "".join(f"<lora:{'😀' * 55}{number}:1>" for number in range(40)),
        "a lake " + "".join(f"<lora:{'漢' * 58}{number}:x>" for number in range(40)),
        "a lake " + "".join(f"<lora:{chr(1) * 58}{number}:1>" for number in range(40)),
        FAILS,
    ],
)
def test_trap_25_one_short_frame_per_message(easel, prompt):
    token = easel.run(prompt=prompt, samples=2)["socketaccesstoken"]
    text = json.dumps({"type": "task_info", "tasktoken": token})

    with hold_raw_socket(easel.port) as connection:
        connection.send_text(text)
        frames = []
        while not frames or not frames[-1].json["terminal"]:
            frames.append(connection.receive())

    for frame in frames:
        assert frame.first_byte == 0x81, "one whole, uncompressed text frame"
        assert isinstance(frame.json, dict)
        if not frame.json["terminal"]:
            assert len(frame.payload) <= 4096
    assert story_of([frame.json for frame in frames[1:]])[-1] == "task_postprocess_end"


def test_heartbeats_are_pings_of_the_protocol(idle):
    """Nothing but frames with a type reaches a client that waits."""
    with hold_raw_socket(idle.port) as connection:
        assert connection.receive().json["type"] == "connected"
        time.sleep(0.5)
        connection.ping(b"are you there")
        assert connection.receive().first_byte == 0x8A


def test_tasks_that_are_over_do_not_count_among_the_200(idle):
    project = ProjectId(int(idle.detail(idle.run()["socketaccesstoken"])["projectid"]))
    tasks = [idle.tasks.submit(new_task(project)) for _ in range(201)]
    for task in tasks[:200]:
        idle.tasks.cancel(task.id, {task.status})
    with idle.socket() as connection:
        assert welcomed(connection)
        for task in tasks[:200]:
            register(connection, task.token)
        ends = [json.loads(connection.recv(10))["type"] for _ in range(400)]
        register(connection, tasks[200].token)

        assert ends.count("task_cancel") == 200
        assert json.loads(connection.recv(10))["type"] == "task_queue"
    idle.tasks.cancel(tasks[200].id, {tasks[200].status})
