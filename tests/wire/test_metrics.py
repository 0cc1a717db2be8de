"""/metrics: what it tells, to whom, and what it never tells."""

import math
import re
import time

import httpx2
import pytest

from server.domain.errors import Unavailable
from tests.serving import Easel, serving
from tests.wire.scraping import parse_exposition

NAMES_OF_LABELS = {
    *("model", "outcome", "state", "worker", "name", "host", "engine", "device", "phase", "means", "expert", "reason"),
    *("cache", "result", "process", "method", "route", "status", "le"),
}


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory):
    with serving(tmp_path_factory.mktemp("metrics"), heartbeat_seconds=0.2) as running:
        yield running


def _scrape(easel: Easel, **headers: str) -> httpx2.Response:
    return httpx2.get(f"{easel.url}/metrics", headers=headers, trust_env=False)


def _samples(easel: Easel) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = _scrape(easel)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return parse_exposition(answer.text)


def _sum(samples, name: str, **labels: str) -> float:
    return sum(value for (it, own), value in samples.items() if it == name and labels.items() <= set(own))


def _until(easel: Easel, name: str, least: float, **labels: str):
    deadline = time.monotonic() + 60
    while _sum(samples := _samples(easel), name, **labels) < least:
        assert time.monotonic() < deadline, f"{name} is {_sum(samples, name, **labels)}"
        time.sleep(0.2)
    return samples


def test_a_drawn_task_shows_everywhere(easel: Easel):
    easel.finish()
    _until(easel, "easel_phase_seconds_count", 1, phase="total")
    _until(easel, "easel_tasks_ended_total", 1, outcome="succeeded")
    # A slow machine may miss some beats of a fifth of a second, and pass for silent.
    samples = _until(easel, "easel_workers", 1, state="ready")
    assert _sum(samples, "easel_database_up") == 1
    assert _sum(samples, "easel_claims_total") == _sum(samples, "easel_pictures_total") == 1
    assert _sum(samples, "easel_forward_samples_total") == _sum(samples, "easel_steps_total") > 0
    assert _sum(samples, "easel_http_requests_total", route="/v1/Run/{owner}/{model}", status="200") == 1
    for phase in ("queue", "encode", "base", "decode"):
        assert _sum(samples, "easel_phase_seconds_count", phase=phase) == 1


def test_a_kill_is_told_by_its_means(easel: Easel):
    token = easel.run(prompt="slowly <fake:slow>", steps="100")["socketaccesstoken"]
    easel.follow(token, until="task_start")
    easel.post("Task/Kill", {"tasktoken": token})
    samples = _until(easel, "easel_kill_seconds_count", 1, means="step_boundary")
    samples = _until(easel, "easel_tasks_ended_total", 1, outcome="killed")
    assert _sum(samples, "easel_tasks_ended_total", outcome="cancelled") == 0


def test_a_crash_and_the_retry_after_it(easel: Easel):
    easel.finish(prompt="dies <fake:dies_hard>")
    samples = _until(easel, "easel_engine_crashes_total", 1)
    assert _sum(samples, "easel_requeues_total", reason="crash") >= 1


def test_open_sockets_are_counted(easel: Easel):
    with easel.socket() as socket:
        socket.recv(10)
        assert _sum(_samples(easel), "easel_sockets_open") == 1
    _until(easel, "easel_sockets_open", 0)


def test_histograms_rise_and_end_with_their_count(easel: Easel):
    samples = _samples(easel)
    ends: dict[tuple[str, frozenset], dict[float, float]] = {}
    for (name, labels), value in samples.items():
        if name.endswith("_bucket"):
            end = math.inf if (le := dict(labels)["le"]) == "+Inf" else float(le)
            ends.setdefault((name, frozenset(it for it in labels if it[0] != "le")), {})[end] = value
    assert ends
    for (name, labels), buckets in ends.items():
        values = [buckets[end] for end in sorted(buckets)]
        assert values == sorted(values)
        assert values[-1] == samples[name.removesuffix("_bucket") + "_count", labels]


def test_labels_are_few_and_hold_no_secret(easel: Easel):
    easel.post("Task/Detail", {"tasktoken": "nobody's"}, headers={"x-api-key": "a-secret-key"})
    httpx2.get(f"{easel.url}/v1/files/some-access-key?token=secret", trust_env=False)
    httpx2.request("BREW", f"{easel.url}/nowhere/{'x' * 20}", trust_env=False)
    text = _scrape(easel).text
    assert {name for _, labels in _samples(easel) for name, _ in labels} <= NAMES_OF_LABELS
    own = (easel.credentials.api_key, easel.credentials.api_secret, easel.credentials.name)
    for word in (*own, "a-secret-key", "access-key", "token=", "BREW", "nowhere"):
        assert word not in text
    assert re.search(r'method="other",process="[^"]+",route="unmatched",status="404"', text)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Bearer wrong", 401), ("Basic right", 401), ("Bearer right", 200), ("bearer right", 200)],
)
def test_with_a_token_nobody_gets_in_without_it(tmp_path_factory, guarded: Easel, authorization: str, status: int):
    headers = {"authorization": authorization} if authorization else {}
    answer = _scrape(guarded, **headers)
    assert answer.status_code == status
    assert ("easel_" in answer.text) is (status == 200)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    with serving(tmp_path_factory.mktemp("guarded"), worker=False, metrics_token="right") as running:
        yield running


@pytest.mark.parametrize(
    "said",
    [
        {"x-forwarded-for": "203.0.113.9"},  # the test's own address is believed to be a proxy's
        {"x-forwarded-for": "127.0.0.1"},  # and here it isn't sure for whom it asks
        {"x-real-ip": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"via": "1.1 a-proxy"},
    ],
)
def test_without_a_token_only_this_machine_is_told(easel: Easel, said: dict[str, str]):
    answer = _scrape(easel, **said)
    assert answer.status_code == 403
    assert "EASEL_METRICS_TOKEN" in answer.text


def test_a_database_that_is_away_leaves_the_process_to_tell_of(tmp_path):
    class Away:
        def queues(self):
            raise Unavailable

    with serving(tmp_path, worker=False, wired={"overview": Away()}) as running:
        samples = _samples(running)
        assert _sum(samples, "easel_database_up") == 0
        assert _sum(samples, "easel_sockets_open") == 0
        assert not any(name == "easel_workers" for name, _ in samples)


def test_an_answer_names_its_request(easel: Easel):
    answer = httpx2.get(f"{easel.url}/healthz", trust_env=False)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
    given = httpx2.get(f"{easel.url}/healthz", headers={"x-request-id": "from-the-proxy.1"}, trust_env=False)
    assert given.headers["x-request-id"] == "from-the-proxy.1"
    forged = httpx2.get(f"{easel.url}/healthz", headers={"x-request-id": "a b"}, trust_env=False)
    assert forged.headers["x-request-id"] != "a b"
