"""How long it takes: until a task may be claimed again after a death, until a killed drawing is gone. Field timings."""

import os
import signal
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from server.domain.events import EventType
from server.domain.lifecycle import TaskStatus
from tests.chaos.stage import stage
from tests.e2e.processes import Site, alive, eventually

_FIELD = {
    "EASEL_LEASE_SECONDS": "30",
    "EASEL_HEARTBEAT_SECONDS": "5",
    "EASEL_STOP_SECONDS": "5",
    "EASEL_FAKE": "step_ms=50",
}
_LONG = {"steps": "150", "samples": "8", "refiner": "--only_base_model"}


def times(kind: str, *, rounds: int, supervisors: int = 3) -> dict[str, Any]:
    """Measure deaths of engine children (`rounds`), of supervisors, and every rung of the ladder of a kill."""
    with stage(kind, **_FIELD) as it:
        site = it.site
        site.api()
        client = site.client(it.credentials)
        worker = site.worker()
        child_deaths = [_child_dies(site, client, worker) for _ in range(rounds)]
        steps = [_kill(site, client, worker, "", gone=False) for _ in range(rounds)]
        ladder = {
            "ignores the request": [_kill(site, client, worker, "<fake:ignores_stop>") for _ in range(3)],
            "hangs in a step": [_kill(site, client, worker, "<fake:hangs:2>") for _ in range(3)],
            "stopped process, deaf to SIGTERM": [_kill(site, client, worker, "", freeze=True) for _ in range(3)],
        }
        worker_deaths = [_worker_dies(site, client) for _ in range(supervisors)]
    return {
        "claimable_after_child_death_s": _spread(child_deaths),
        "claimable_after_worker_death_s": _spread(worker_deaths),
        "next_drawing_after_kill_s": _spread(steps),
        "step_s": 0.05,
        "child_gone_after_kill_s": {name: _spread(taken) for name, taken in ladder.items()},
    }


def _drawing(site: Site, client: Any, prompt: str = "") -> dict[str, Any]:
    task = client.run(prompt=f"a fox {prompt}", **_LONG)
    site.wait_until_drawing(task["taskid"], steps=1)
    return task


def _requeued(site: Site, task_id: str, since: float, within: float = 60) -> float:
    def queued() -> float:
        events = site.story(task_id).events
        return next((event.at for event in events[1:] if event.type is EventType.QUEUE and event.at > since), 0.0)

    return eventually(queued, within=within) - since


def _child_dies(site: Site, client: Any, worker: Any) -> float:
    task = _drawing(site, client)
    began = time.time()
    os.kill(worker.child, signal.SIGKILL)
    taken = _requeued(site, task["taskid"], began)
    client.post("Task/Kill", {"tasktoken": task["socketaccesstoken"]})
    _rest(client)
    return taken


def _worker_dies(site: Site, client: Any) -> float:
    for process in site.processes:
        if process.log.name.endswith("-worker.log") and process.popen.poll() is None:
            process.kill()
    worker = site.worker()
    task = _drawing(site, client)
    began = time.time()
    worker.kill()
    taken = _requeued(site, task["taskid"], began)
    client.post("Task/Kill", {"tasktoken": task["socketaccesstoken"]})
    return taken


def _kill(site: Site, client: Any, worker: Any, prompt: str, *, gone: bool = True, freeze: bool = False) -> float:
    """Return how long after the kill's request the child was gone, or, where it lives on, the next task drawn."""
    task, child = _drawing(site, client, prompt), worker.child
    if freeze:
        os.kill(child, signal.SIGSTOP)
    following = None if gone else client.run(steps="3", refiner="--only_base_model")["taskid"]
    began = time.time()
    client.post("Task/Kill", {"tasktoken": task["socketaccesstoken"]})
    if following is None:
        eventually(lambda: not alive(child), within=30)
        taken = time.time() - began
    else:
        eventually(lambda: TaskStatus.START in site.story(following).task.times)
        taken = site.story(following).task.times[TaskStatus.START] - began
    _rest(client)
    return taken


def _rest(client: Any) -> None:
    """Draw something short: the next measurement begins with a child that is at work."""
    client.finish(steps="3")


def _spread(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"n": len(taken), "median": round(median(taken), 3), "p99": round(p99, 3), "max": round(ordered[-1], 3)}
