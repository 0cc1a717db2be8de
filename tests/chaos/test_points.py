"""Every crash point is reached by the tasks of a plain afternoon, and every action does what it says."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from server.domain.lifecycle import TaskStatus
from server.entrypoints.faults.points import ACTIONS, Fault, FaultError, Faults, Point, read_faults
from tests.e2e.processes import Site, eventually
from tests.receivers import receiving, says
from tests.wire.uploading import LABEL, form, part

_NOTE = ",".join(f"{point}:1:note" for point in Point)


def _reached(site: Site) -> set[str]:
    lines = [line for process in site.processes for line in process.said.splitlines() if line.startswith("fault ")]
    return {line.split()[1] for line in lines}


def _slow(site: Site, client) -> dict:
    task = client.run(steps="100")
    site.wait_until_drawing(task["taskid"])
    return task


def test_every_point_is_reached(site: Site):
    site.environment |= {"EASEL_FAULT": _NOTE, "EASEL_FAKE": "step_ms=20", "EASEL_WEBHOOK_ALLOW": "127.0.0.0/8"}
    client = site.client(site.project("one"))
    site.api()
    lost, kept = site.worker(), site.start("worker", EASEL_DRAIN_SECONDS="0")
    with receiving(says("200 OK")) as receiver:
        client.finish(steps="3", callbackUrl=receiver.url)
        client.post(
            "File/Upload", content=part("file", b"some bytes", "a.bin") + form(), headers={**client.headers, **LABEL}
        )
        killed = _slow(site, client)
        client.post("Task/Kill", {"tasktoken": killed["socketaccesstoken"]})
        lost.signal(signal.SIGTERM)
        lost.wait()
        kept.wait_for("engine ready")
        _slow(site, client)
        kept.signal(signal.SIGTERM)
        kept.wait()
        taken = site.ids_in(TaskStatus.QUEUE)
        assert taken
        last = site.worker()
        eventually(lambda: site.ids_in(TaskStatus.START) & taken)
        last.kill()
        eventually(lambda: _reached(site) >= set(Point))


@pytest.mark.parametrize(
    "text", ["", "nowhere:1:kill9", "step:0:kill9", "step:1:dance", "step:1", "step:~:kill9", "step:1:sleep=x"]
)
def test_a_switch_that_says_nothing_is_refused(text: str):
    with pytest.raises(FaultError, match="EASEL_FAULT"):
        Fault.read(text)


def test_without_the_switch_there_are_no_faults():
    assert read_faults({}) is None
    assert read_faults({"EASEL_FAULT": "step:2:note"}) is not None


def _faults(text: str, said: list[str] | None = None) -> Faults:
    return Faults([Fault.read(text)], (said if said is not None else []).append, random.Random(1))


def test_a_fault_happens_the_nth_time_and_never_again():
    said: list[str] = []
    faults = _faults("step:3:note", said)
    for _ in range(5):
        faults.reach(Point.STEP)
        faults.reach(Point.DECODED)
    assert said == ["fault step 3 note"]


def test_a_fault_by_chance_happens_about_as_often_as_it_says():
    said: list[str] = []
    faults = _faults("step:~10:note", said)
    for _ in range(1000):
        faults.reach(Point.STEP)
    assert 60 < len(said) < 150


def test_what_is_raised():
    with pytest.raises(FaultError, match="asked to fail at step"):
        _faults("step:1:raise").reach(Point.STEP)
    with pytest.raises(OSError, match="No space left"):
        _faults("step:1:enospc").reach(Point.STEP)


def test_sleeping_sleeps():
    began = time.monotonic()
    _faults("step:1:sleep=0.05").reach(Point.STEP)
    assert time.monotonic() - began >= 0.05


_SELF = """
import subprocess, sys
from server.entrypoints.faults.points import Point, read_faults
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
read_faults({"EASEL_FAULT": sys.argv[1]}).reach(Point.STEP)
print(child.wait(5))
"""


@pytest.mark.parametrize(
    ("action", "code"), [("kill9", -signal.SIGKILL), ("term", -signal.SIGTERM), ("child9", 0)], ids=str
)
def test_signals_go_where_they_are_meant_to(action: str, code: int):
    done = subprocess.run(
        [sys.executable, "-c", _SELF, f"step:1:{action}"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code
    assert f"fault step 1 {action}" in done.stderr
    assert done.stdout.strip() == ("-9" if action == "child9" else "")


def test_a_stopped_process_waits_to_be_told():
    process = subprocess.Popen([sys.executable, "-c", _SELF, "step:1:stop"], stderr=subprocess.DEVNULL)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_all_actions_are_tried_here():
    tried = {"note", "raise", "enospc", "sleep", "kill9", "term", "child9", "stop"}
    assert set(ACTIONS) == tried


def test_counting_is_for_all_threads_together():
    said: list[str] = []
    faults = _faults("step:500:note", said)
    threads = [threading.Thread(target=lambda: [faults.reach(Point.STEP) for _ in range(100)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["fault step 500 note"]
