"""easel webhooks list | redeliver | secret."""

import re
from dataclasses import replace

from server.domain.lifecycle import TaskStatus
from server.domain.outbound import NoAnswer
from server.domain.webhook import judge
from tests.e2e.commands import Easels, easel_fixture, upgraded_fixture
from tests.stores import Stores, new_task, open_sql_stores, sqlite_url

__all__ = ["easel_fixture", "upgraded_fixture"]


def _end_two(stores: Stores) -> None:
    """Two tasks; the webhook of the second is given up."""
    project = stores.project()
    for number in (1, 2):
        stores.tasks.submit(replace(new_task(project.id), callback_url=f"http://host-{number}.test/done"))
        stores.drive(stores.claim().lease, TaskStatus.POSTPROCESS_END)
    (due,) = stores.webhooks.take(1, 60, only=["host-2.test:80"])
    stores.webhooks.record(due.lease, judge(9, NoAnswer("nothing listens there"), due.at, 0))


def test_what_was_not_delivered_is_listed_and_sent_again(upgraded: Easels):
    assert upgraded.ok("webhooks", "list").strip() == "There are none."
    with open_sql_stores(sqlite_url(upgraded.data)) as stores:
        _end_two(stores)
    everything, failed = upgraded.ok("webhooks", "list"), upgraded.ok("webhooks", "list", "--failed")
    assert "http://host-1.test/done" in everything
    assert "http://host-1.test/done" not in failed
    assert "http://host-2.test/done: nothing listens there" in failed
    assert "due now" in upgraded.ok("webhooks", "redeliver", "2")
    assert upgraded.ok("webhooks", "list", "--failed").strip() == "There are none."
    assert "easel webhooks list" in upgraded.refuses("webhooks", "redeliver", "99")


def test_a_projects_secret_is_shown_and_changed(upgraded: Easels):
    upgraded.ok("project", "create", "shop", "--auth", "key")
    first = upgraded.ok("webhooks", "secret", "shop")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", first)
    assert upgraded.ok("webhooks", "secret", "shop") == first
    new, old = upgraded.ok("webhooks", "secret", "shop", "--rotate").splitlines()
    assert old.startswith(first.strip())
    assert new != first.strip()
    assert "easel project list" in upgraded.refuses("webhooks", "secret", "nobody")


def test_a_lost_key_is_said_before_another_is_made(upgraded: Easels):
    upgraded.ok("project", "create", "shop", "--auth", "key")
    upgraded.ok("webhooks", "secret", "shop")
    (upgraded.data / "secret.key").unlink()
    assert "secret.key is missing" in upgraded.refuses("webhooks", "secret", "shop")


def test_a_setting_that_is_none(upgraded: Easels):
    sentence = upgraded.refuses("webhooks", "list", EASEL_WEBHOOK_ALLOW="backend,http://localhost:3000")
    assert sentence.startswith("EASEL_WEBHOOK_ALLOW has 'http://localhost:3000'; give host names and networks")
