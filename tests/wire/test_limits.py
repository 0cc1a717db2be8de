"""Limits, failures, keys of idempotency and prices as clients meet them (sections 1, 2 and 4; trap 23)."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from models.catalogue import Catalogue
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.wakeups import LocalWakeups
from server.api.wire import task_wire
from server.entrypoints.composition import make_wiring
from server.entrypoints.opening import open_settled_database
from server.entrypoints.serve import ApiThread
from tests.serving import BODY, signed
from tests.wire.porch import RUN, error_of, porch


@pytest.fixture
def strict(tmp_path: Path):
    """A server with every limit on, and nobody to draw."""
    with porch(tmp_path, worker=False, queue_limit=3, auth_failures_per_minute=10) as running:
        yield running


def test_code_96_when_the_projects_queue_is_full(strict):
    for _ in range(3):
        assert strict.run()["result"] is True
    code, message = error_of(strict.post(RUN, BODY))

    assert code == 96
    assert message.startswith("You have reached your queued task limit: 3 tasks")
    other = signed(strict.new_project("other"))
    assert strict.post(RUN, BODY, headers=other).json()["result"] is True


def test_runs_at_once_never_exceed_the_limit(strict):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: strict.run(), range(24)))

    assert sorted(answer["result"] for answer in answers) == [False] * 21 + [True] * 3
    assert {answer["errors"][0]["code"] for answer in answers if not answer["result"]} == {96}


def test_failures_are_throttled_and_the_victim_is_not(strict):
    wrong = {**strict.headers, "x-signature": "0" * 64}
    for _ in range(10):
        error_of(strict.post("Task/List", {}, headers=wrong), 401)
    answer = strict.post("Task/List", {}, headers=wrong)

    code, message = error_of(answer, 429)
    assert code == 0
    assert re.fullmatch(r"[1-6]", answer.headers["retry-after"])
    assert f"try again in {answer.headers['retry-after']} seconds" in message
    assert strict.post("Task/List", {}).json()["result"] is True, "the same key, from the same address"
    error_of(strict.post("Task/List", {}, headers={"x-api-key": "another"}), 401)


def test_a_trusted_proxys_word_tells_the_addresses_apart(strict):
    wrong = {"x-api-key": "nobody"}
    for _ in range(10):
        strict.post("Task/List", {}, headers={**wrong, "X-Forwarded-For": "203.0.113.7"})

    error_of(strict.post("Task/List", {}, headers={**wrong, "X-Forwarded-For": "203.0.113.7"}), 429)
    error_of(strict.post("Task/List", {}, headers={**wrong, "X-Forwarded-For": "9.9.9.9, 203.0.113.7"}), 429)
    error_of(strict.post("Task/List", {}, headers={**wrong, "X-Forwarded-For": "203.0.113.8"}), 401)


def test_nobody_elses_word_does(tmp_path: Path):
    with porch(tmp_path, worker=False, auth_failures_per_minute=10, trusted_proxies="none") as easel:
        wrong = {"x-api-key": "nobody"}
        for number in range(10):
            easel.post("Task/List", {}, headers={**wrong, "X-Forwarded-For": f"203.0.113.{number}"})
        error_of(easel.post("Task/List", {}, headers={**wrong, "X-Forwarded-For": "203.0.113.99"}), 429)


def test_a_revoked_project_is_a_stranger_at_once(strict):
    projects = SqlProjectStore(strict.database)
    project = projects.by_name("default")
    assert project
    projects.set_revoked(project.id, revoked=True)
    assert error_of(strict.post("Task/List", {}), 401) == (0, "Project authorization is not founded.")
    projects.set_revoked(project.id, revoked=False)
    assert strict.post("Task/List", {}).json()["result"] is True


# ── Idempotency-Key ──────────────────────────────────────────────────────────────────────────────────────────────────
def _named(easel, body=None, *, key="8e03978e", **options):
    headers = {**easel.headers, "Idempotency-Key": key}
    return easel.post(RUN, body, headers=headers, **options)


def test_the_same_key_and_body_in_any_encoding_give_the_same_answer(idle):
    first = _named(idle, BODY).json()
    assert first["result"] is True
    assert _named(idle, dict(reversed(BODY.items()))).json() == first
    assert _named(idle, {**BODY, "width": 64}).json() == first
    assert _named(idle, data=BODY).json() == first
    assert idle.run()["taskid"] != first["taskid"]


def test_another_body_is_refused_in_one_sentence(idle):
    assert _named(idle, BODY, key="used").json()["result"] is True
    code, message = error_of(_named(idle, {**BODY, "seed": "2"}, key="used"))
    assert code == 0
    assert message.startswith("This Idempotency-Key was used for another request.")


def test_a_refused_run_is_not_remembered(idle):
    error_of(_named(idle, {**BODY, "steps": "-4"}, key="again"))
    assert _named(idle, BODY, key="again").json()["result"] is True


def test_a_key_that_cannot_be_kept(idle):
    code, message = error_of(_named(idle, BODY, key="x" * 256))
    assert (code, message) == (0, "Idempotency-Key must be 1 to 255 printable ASCII characters.")


def test_f15_fifty_at_once(idle):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: _named(idle, BODY, key="fifty").json(), range(50)))
    assert len({(answer["taskid"], answer["socketaccesstoken"]) for answer in answers}) == 1


def test_another_process_on_the_same_database_knows_the_key(idle):
    first = _named(idle, BODY, key="shared").json()
    database = open_settled_database(idle.settings)
    other = ApiThread(make_wiring(idle.settings, database, LocalWakeups(), needs_worker=False), idle.settings)
    other.start()
    try:
        again = _named(replace(idle, port=other.port), BODY, key="shared").json()
    finally:
        other.stop()
        database.close()
    assert again == first


# ── prices ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_price_is_kept_with_its_task_and_paid_for_success_only(tmp_path: Path):
    card = (files("models") / "cards" / "hevok" / "studio-trigger.toml").read_text()
    folder = tmp_path / "cards" / "me"
    folder.mkdir(parents=True)
    priced = card.replace('owner = "hevok"', 'owner = "me"').replace("cps = 0.0", "cps = 0.000585")
    (folder / "studio-trigger.toml").write_text(priced)
    with porch(tmp_path / "data", cards_dir=str(tmp_path / "cards"), fake="step_ms=20") as easel:
        done = easel.finish(model="me/studio-trigger")
        failed = easel.finish(model="me/studio-trigger", prompt="a lake <fake:fails_at_step:3>")
        free = easel.finish()
        dearer = task_wire(easel.tasks.find_by_token(done["socketaccesstoken"]), Catalogue.load())

    seconds = float(done["elapsedseconds"])
    assert done["cps"] == "0.000585000000"
    assert seconds > 0
    assert float(done["totalcost"]) == pytest.approx(0.000585 * seconds, abs=1e-7)
    assert re.fullmatch(r"[0-9]+\.[0-9]{12}", done["totalcost"])
    assert (failed["cps"], failed["totalcost"]) == ("0.000585000000", "0")
    assert (free["cps"], free["totalcost"]) == ("0.000000000000", "0")
    assert dearer["totalcost"] == done["totalcost"], "whatever the catalogue says today"


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_trap_23_where_a_queued_task_stands(strict):
    tokens = [strict.run()["socketaccesstoken"] for _ in range(3)]
    tasks = [strict.detail(token) for token in tokens]

    assert [task["queueposition"] for task in tasks] == ["1", "2", "3"]
    assert not any("estimatedstart" in task for task in tasks), "no worker: nobody knows"
    [frame] = strict.follow(tokens[1], until="task_queue")
    assert frame["queueposition"] == "2"
    strict.post("Task/Cancel", {"tasktoken": tokens[0]})
    assert strict.detail(tokens[1])["queueposition"] == "1"
    assert "queueposition" not in strict.detail(tokens[0])


def test_when_it_may_start(easel):
    for _ in range(3):
        easel.finish()
    running = easel.run(prompt="a lake <fake:slow:200>", steps="150")["socketaccesstoken"]
    easel.until(running, "task_start")
    waiting = easel.detail(easel.run()["socketaccesstoken"])

    assert waiting["queueposition"] == "1"
    assert 0 <= int(waiting["estimatedstart"]) - int(waiting["createtime"]) < 60
    easel.post("Task/Kill", {"tasktoken": running})
