"""§7 and trap 28: the combined body, signed, at a callback URL; and what a client sees of its delivery."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.webhooks import SqlWebhookStore
from server.entrypoints.opening import secret_box
from server.services.webhook_secrets import signing_secrets
from tests.e2e.processes import eventually
from tests.receivers import Flood, drips, hangs, receiving, says
from tests.unit.test_webhook import verify
from tests.wire.porch import Porch, porch


@pytest.fixture(scope="module")
def posting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Porch]:
    """A server that draws, and may post to 127.0.0.1."""
    with porch(tmp_path_factory.mktemp("posting"), stop_seconds=0.5, webhook_allow="127.0.0.1") as running:
        yield running


def webhook(easel: Porch, task: dict) -> dict:
    (only,) = easel.detail(task["socketaccesstoken"])["webhooks"]
    return only


def test_the_end_of_a_task_is_told_in_one_body_that_fits_all_guesses(posting: Porch):
    with receiving(says("200 OK")) as receiver:
        task = posting.finish(callbackUrl=receiver.url)
        eventually(lambda: webhook(posting, task)["status"] == "delivered")
    (request,) = receiver.requests
    body = json.loads(request.body)
    shown = posting.detail(task["socketaccesstoken"])
    told = {name: value for name, value in shown.items() if name != "webhooks"}
    assert body["tasklist"] == [told]
    assert {name: body[name] for name in told} == told
    assert (body["taskid"], body["tasktoken"]) == (task["id"], task["socketaccesstoken"])
    assert (body["result"], body["errors"], body["total"]) == (True, [], "1")
    assert body["pexit"] == "0"
    assert body["outputs"][0]["url"].startswith("http")
    assert len(request.body) < 20_000


def test_a_receiver_can_verify_it(posting: Porch):
    with receiving(says("204 No Content")) as receiver:
        posting.finish(callbackUrl=receiver.url)
        request = eventually(lambda: receiver.requests)[0]
    (project,) = SqlProjectStore(posting.database).all()
    (secret,) = signing_secrets(SqlWebhookStore(posting.database), secret_box(posting.settings), project.id)
    assert verify(request.headers, request.body, secret)
    assert not verify(request.headers, request.body + b" ", secret)
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert request.headers["content-type"] == "application/json"


def test_the_log_of_deliveries_stands_in_detail_and_in_no_other_shape(posting: Porch):
    with receiving(says("500 Broken", "200 OK")) as receiver:
        task = posting.finish(callbackUrl=receiver.url)
        eventually(lambda: len(webhook(posting, task)["attempts"]) == 2)
    log = webhook(posting, task)
    assert (log["status"], log["url"], log["nexttime"]) == ("delivered", receiver.url, "")
    assert [(one["statuscode"], "500" in one["reason"]) for one in log["attempts"]] == [("500", True), ("200", False)]
    assert receiver.ids == {log["webhookid"]}
    assert int(log["attempts"][1]["time"]) >= int(log["attempts"][0]["time"]) + 4


def test_bad_receivers_hold_up_neither_tasks_nor_good_receivers(posting: Porch):
    flood = Flood()
    bad = {
        "hanging": hangs,
        "dripping": drips(b"HTTP/1.1 2"),
        "redirecting": says("302 Found\nLocation: http://127.0.0.1:1/"),
        "gone": says("410 Gone"),
        "throttling": says("429 Wait\nRetry-After: 3600"),
        "flooding": flood,
    }
    with ExitStack() as stack:
        good = stack.enter_context(receiving(says("200 OK")))
        receivers = {name: stack.enter_context(receiving(answer)) for name, answer in bad.items()}
        with receiving(says("200 OK")) as down:
            pass
        urls = {name: receiver.url for name, receiver in receivers.items()} | {"down": down.url}
        slow = [posting.finish(callbackUrl=urls["hanging"]) for _ in range(3)]
        told = {name: posting.finish(callbackUrl=url) for name, url in urls.items()}
        last = posting.finish(callbackUrl=good.url)
        eventually(lambda: good.requests, within=10)
        assert all(task["pexit"] == "0" for task in [*slow, *told.values(), last])
        settled = ("redirecting", "gone", "throttling", "flooding", "down")
        eventually(lambda: all(webhook(posting, told[name])["attempts"] for name in settled))
        logs = {name: webhook(posting, told[name]) for name in settled}
        assert receivers["hanging"].connections <= 2  # the others wait for it, and for nobody else
    assert {name: log["status"] for name, log in logs.items()} == {
        "redirecting": "pending",
        "gone": "failed",
        "throttling": "pending",
        "flooding": "delivered",
        "down": "pending",
    }
    assert "redirect" in logs["redirecting"]["attempts"][0]["reason"]
    assert "refused" in logs["down"]["attempts"][0]["reason"]
    assert int(logs["throttling"]["nexttime"]) >= int(logs["throttling"]["attempts"][0]["time"]) + 3599
    assert all(len(receiver.ids) <= 1 for name, receiver in receivers.items() if name != "hanging")


def test_a_failed_task_is_told_as_failed(posting: Porch):
    with receiving(says("200 OK")) as receiver:
        task = posting.finish(callbackUrl=receiver.url, prompt="a fox <fake:fails_at_step:1>")
        request = eventually(lambda: receiver.requests)[0]
    body = json.loads(request.body)
    assert (body["status"], body["pexit"], body["outputs"]) == ("task_postprocess_end", "1", [])
    assert body["debugerror"] == task["debugerror"] != ""


def test_a_kill_that_interrupted_work_is_told_and_a_cancel_in_the_queue_is_not(posting: Porch):
    with receiving(says("200 OK")) as receiver:
        busy = posting.run(callbackUrl=receiver.url, prompt="a lake <fake:slow>", steps="100")
        waiting = posting.run(callbackUrl=receiver.url)
        posting.until(busy["socketaccesstoken"], "task_start")
        assert posting.post("Task/Cancel", {"taskid": waiting["taskid"]}).json()["result"] is True
        assert posting.post("Task/Kill", {"taskid": busy["taskid"]}).json()["result"] is True
        body = json.loads(eventually(lambda: receiver.requests)[0].body)
        assert (body["taskid"], body["status"], body["pexit"]) == (busy["taskid"], "task_cancel", "")
        assert posting.detail(waiting["socketaccesstoken"])["webhooks"] == []
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("url", ["Optional: Webhook URL for task completion notifications", "", "ftp://x/", None])
def test_a_placeholder_is_no_webhook(posting: Porch, url):
    task = posting.finish(callbackUrl=url)
    assert (task["pexit"], task["callbackurl"], task["webhooks"]) == ("0", "", [])


def test_a_private_receiver_is_refused_with_the_setting_that_permits_it(easel: Porch):
    with receiving(says("200 OK")) as receiver:
        task = easel.finish(callbackUrl=f"http://localhost:{receiver.port}/hook")
        log = eventually(lambda: webhook(easel, task)["attempts"])
    assert log[0]["statuscode"] == ""
    assert "EASEL_WEBHOOK_ALLOW=localhost" in log[0]["reason"]
    assert (receiver.connections, webhook(easel, task)["status"]) == (0, "pending")


def test_a_huge_echo_is_left_out_of_the_body(posting: Porch):
    with receiving(says("200 OK")) as receiver:
        posting.finish(callbackUrl=receiver.url, note="x" * 100_000)
        request = eventually(lambda: receiver.requests)[0]
    body = json.loads(request.body)
    assert len(request.body) < 128 * 1024
    assert (body["parameters"], body["parametersomitted"]) == ({}, True)
    assert body["outputs"]


def test_lists_and_stops_show_the_same_shape(posting: Porch):
    tasks = posting.post("Task/List", {}).json()["tasklist"]
    assert all(isinstance(task["webhooks"], list) for task in tasks)
    assert any(task["webhooks"] for task in tasks)
