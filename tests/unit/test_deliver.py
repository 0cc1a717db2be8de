"""Many webhooks, faulty receivers and days of schedule, in memory and without waiting."""

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from server.adapters.memory import MemoryStores
from server.adapters.secret_box import FileKeySecretBox
from server.domain.outbound import NoAnswer, Refused
from server.domain.types import TaskId
from server.domain.webhook import SCHEDULE, Answer, WebhookState
from server.services.deliver import Post, deliver
from server.services.webhook_secrets import rotate_secret, signing_secrets
from tests.stores import MODEL, WORKER, new_task, over
from tests.unit.test_webhook import verify

DAY = 86400.0


class Receivers:
    """Receivers behind one sender: each host has answers of its own. Every request is noted."""

    def __init__(self, answers) -> None:
        self.answers = answers
        self.ids: dict[str, set[str]] = defaultdict(set)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.ids[url].add(headers["webhook-id"])
        self.times[url].append(float(headers["webhook-timestamp"]))
        self.requests.append((url, headers, body))
        answer = self.answers(url)
        if isinstance(answer, Exception):
            raise copy(answer)
        return answer


class World:
    """Memory stores on a clock that is turned by hand."""

    def __init__(self, folder: Path, answers) -> None:
        self.now = 1_790_000_000.0
        self.memory = memory = MemoryStores(lambda: self.now)
        self.stores = over(memory)
        self.receivers = Receivers(answers)
        self.box = FileKeySecretBox(folder / "secret.key")
        self.project = self.stores.project().id
        self.post = Post(
            webhooks=memory.webhooks,
            secrets=self.box,
            sender=self.receivers,
            render=lambda task: str(task.id).encode(),
            jitter=random.Random(7).random,
        )

    def end_task(self, url: str) -> int:
        task = self.stores.tasks.submit(replace(new_task(self.project), callback_url=url))
        claimed = self.stores.tasks.claim(WORKER, [MODEL], 60)
        assert claimed is not None
        self.stores.drive(claimed.lease, "task_postprocess_end")
        return task.id

    def deliver_all(self, *, lose: float = 0.0) -> None:
        """Send what is due; of some, the process dies before it can record."""
        chance = random.Random(3)
        while dues := self.stores.webhooks.take(500, 60, each=500):
            for due in dues:
                if chance.random() < lose:
                    headers = {"webhook-id": due.webhook.uuid, "webhook-timestamp": "0"}
                    with contextlib.suppress(NoAnswer):
                        self.receivers.send(due.webhook.url, headers, b"")
                else:
                    deliver(due, self.post)

    def pass_days(self, days: float, *, step: float = 600.0, lose: float = 0.0) -> None:
        end = self.now + days * DAY
        while self.now < end:
            self.deliver_all(lose=lose)
            self.now += step


def test_ten_thousand_webhooks_at_thirty_percent_faults(tmp_path: Path):
    """G8: each is delivered at least once, under one id."""
    chance = random.Random(1)
    delivered: Counter[str] = Counter()
    faults = (Answer(500), Answer(503, "60"), Answer(302), Answer(429, "5"), NoAnswer("no complete answer within 15 s"))

    def answer(url: str):
        if chance.random() < 0.3:
            return chance.choice(faults)
        delivered[url] += 1
        return Answer(200)

    world = World(tmp_path, answer)
    world.end_task("http://host.test/0")
    task = world.stores.task(TaskId(1))
    for number in range(1, 10_000):  # put there directly: ten thousand tasks in memory take minutes
        world.memory.webhooks.owe(replace(task, callback_url=f"http://host-{number % 50}.test/{number}"))
    world.pass_days(4, step=3600, lose=0.02)
    webhooks = world.stores.webhooks.recent(20_000)
    assert len(webhooks) == 10_000
    assert Counter(webhook.state for webhook in webhooks) == {WebhookState.DELIVERED: 10_000}
    assert all(delivered[webhook.url] >= 1 for webhook in webhooks)
    assert all(len(ids) == 1 for ids in world.receivers.ids.values())
    assert len({next(iter(ids)) for ids in world.receivers.ids.values()}) == 10_000


def test_a_dead_receiver_is_tried_on_the_schedule_and_then_given_up(tmp_path: Path):
    world = World(tmp_path, lambda _url: NoAnswer("nothing listens there"))
    world.end_task("http://dead.test/")
    world.pass_days(5, step=30)
    pauses = [after - before for before, after in pairwise(world.receivers.times["http://dead.test/"])]
    assert len(pauses) == 9
    assert all(planned <= pause <= planned * 1.1 + 30 for planned, pause in zip(SCHEDULE[1:], pauses, strict=True))
    (webhook,) = world.stores.webhooks.recent(10, failed=True)
    assert [attempt.reason for attempt in webhook.attempts] == ["nothing listens there"] * 10


def test_one_refused_address_is_tried_again_and_delivered_once_it_is_permitted(tmp_path: Path):
    permitted = False
    world = World(tmp_path, lambda _url: Answer(204) if permitted else Refused("private", permit="backend"))
    task_id = world.end_task("http://backend/")
    world.deliver_all()
    (webhook,) = world.stores.webhooks.of_tasks([task_id])[task_id]
    assert (webhook.state, webhook.attempts[0].reason) == (WebhookState.PENDING, "private")
    permitted = True
    world.pass_days(0.01)
    assert world.stores.webhooks.recent(1)[0].state is WebhookState.DELIVERED


def test_every_attempt_is_signed_anew_by_secrets_that_may_be_in_rotation(tmp_path: Path):
    answers = iter([Answer(500), Answer(500), Answer(200)])
    world = World(tmp_path, lambda _url: next(answers))
    world.end_task("http://a.test/")
    world.deliver_all()
    (old,) = signing_secrets(world.stores.webhooks, world.box, world.project)
    rotate_secret(world.stores.webhooks, world.box, world.project)
    new, kept = signing_secrets(world.stores.webhooks, world.box, world.project)
    assert kept == old != new
    world.now += 10
    world.deliver_all()
    world.now += 2 * DAY
    world.deliver_all()
    first, second, third = world.receivers.requests
    signers = [
        [secret for secret in (old, new) if verify(headers, body, secret)]
        for _, headers, body in (first, second, third)
    ]
    assert signers == [[old], [old, new], [new]]
    stamps = [int(headers["webhook-timestamp"]) for _, headers, _ in (first, second, third)]
    assert stamps[0] < stamps[1] < stamps[2]


def test_each_project_signs_with_its_own_secret(tmp_path: Path):
    world = World(tmp_path, lambda _url: Answer(200))
    other = world.stores.project().id
    mine, theirs = (signing_secrets(world.stores.webhooks, world.box, one) for one in (world.project, other))
    assert mine != theirs
    assert mine == signing_secrets(world.stores.webhooks, world.box, world.project)
    assert all(secret.startswith("whsec_") and len(secret) == 6 + 44 for secret in (*mine, *theirs))
