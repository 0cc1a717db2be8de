"""Twenty thousand requests out of the API's own document, to a server in a process of its own."""

import logging
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.e2e.processes import eventually
from tests.wire.fuzzing import Findings, enriched, fuzz

_log = logging.getLogger(__name__)

MODELS = ["hevok/studio-trigger", "stabilityai/stable-diffusion-xl-base-1.0", "wiro/text-to-image-sdxl"]
REQUESTS = 20_000
ROUND = 40
"""Random requests of each call, in one round."""
GROWTH = 48 << 20
"""Bytes by which the server may be larger than after its first round: 2.4 kB for each request."""
UNLIMITED = {
    "EASEL_QUEUE_LIMIT": "0",
    "EASEL_QUEUE_LIMIT_TOTAL": "0",
    "EASEL_AUTH_FAILURES_PER_MINUTE": "0",
    "EASEL_FAKE": "step_ms=0",
    "EASEL_LOG_LEVEL": "warning",
}
"""Limits would answer in the place of the code behind them."""


def resident(pid: int) -> int:
    """Return how many bytes of memory a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_thousand_requests_neither_break_nor_fatten_the_server(site):
    api = site.api(**UNLIMITED)
    site.start("worker", **UNLIMITED)
    client = site.client(site.project("fuzz"))
    document = httpx2.get(f"{client.url}/openapi.json", trust_env=False).json()
    seeds = iter(range(1, 1000))

    def one_round() -> Findings:
        seed = next(seeds)
        made = [client.run() for _ in range(3)]
        [folder] = client.post("File/FolderCreate", {"name": f"round-{seed}"}).json()["list"]
        tokens = [task[name] for task in made for name in ("socketaccesstoken", "taskid")]
        rich = enriched(document, tokens=tokens, models=MODELS, folders=[folder["id"]])
        # Every fourth comes from nobody.
        return fuzz(rich, client.url, client.headers if seed % 4 else {}, examples=ROUND, seed=seed)

    found = [one_round()]
    level = resident(api.pid)
    while sum(each.requests for each in found) < REQUESTS:
        found.append(one_round())

    statuses, calls, succeeded = Counter[int](), Counter[str](), Counter[str]()
    for each in found:
        statuses, calls, succeeded = statuses + each.statuses, calls + each.calls, succeeded + each.succeeded
    slowest = max(each.slowest for each in found)
    _log.info("%s requests, %s, %s succeeded", calls.total(), dict(statuses), succeeded.total())
    _log.info("slowest %.2f s; memory %d MB, then %d MB", slowest, level >> 20, resident(api.pid) >> 20)
    assert [fault for each in found for fault in each.faults] == []
    assert api.popen.poll() is None
    documented = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert documented <= set(calls)
    deep = ("Run/{owner}/{model}", "Task/Detail", "Task/List", "Tool/List", "File/FolderCreate")
    assert {f"POST /v1/{call}" for call in deep} <= set(succeeded)
    eventually(lambda: resident(api.pid) < level + GROWTH, within=30)
