"""An API process is killed between sending a webhook and writing it down: it is sent again, under the same id."""

import socket
import threading

from sqlalchemy import text

from server.adapters.sql.webhooks import SqlWebhookStore
from server.domain.webhook import WebhookState
from tests.e2e.processes import Site, eventually
from tests.receivers import receiving, says


def test_a_webhook_survives_the_death_of_its_sender(site: Site):
    silent = threading.Event()

    def answer(link: socket.socket, number: int) -> None:
        if number == 1:
            silent.wait(30)  # it has the webhook; its sender dies before the answer comes
        else:
            says("200 OK")(link, number)

    allow = {"EASEL_WEBHOOK_ALLOW": "127.0.0.0/8"}
    with receiving(answer) as receiver:
        first = site.api(**allow)
        site.worker()
        task = site.client(site.project("webhooks")).run(callbackUrl=receiver.url)
        eventually(lambda: receiver.requests, within=60)
        first.kill()
        silent.set()
        store = SqlWebhookStore(site.database)
        (webhook,) = store.of_tasks([int(task["taskid"])])[int(task["taskid"])]
        assert (webhook.state, webhook.attempts) == (WebhookState.PENDING, ())
        _let_its_lease_run_out(site)
        site.api(**allow)
        eventually(lambda: len(receiver.requests) == 2, within=60)
        eventually(lambda: store.recent(1)[0].state is WebhookState.DELIVERED)
    assert receiver.ids == {webhook.uuid}
    assert receiver.requests[0].body == receiver.requests[1].body


def _let_its_lease_run_out(site: Site) -> None:
    """What takes a minute in the field."""
    site.database.write(lambda connection: connection.execute(text("UPDATE webhooks SET lease_until = 0")))
