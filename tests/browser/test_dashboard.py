"""The dashboard in a real browser: it moves while a load runs, and comes back when the server does."""

import math
import signal
import time

import pytest
from sqlalchemy import Connection, insert

from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.tables import TASKS
from tests.browser.conftest import DESKTOP, Watch
from tests.browser.test_journey import sign_in
from tests.e2e.processes import Site, open_site
from tests.serving import BODY, signed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MODEL = "hevok/studio-trigger"
LOAD = {"steps": "40", "samples": "2", "width": "128", "height": "128"}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory):
    """`easel up` with the fake engine, an hour of history and two projects."""
    with open_site(tmp_path_factory.mktemp("busy"), EASEL_FAKE="step_ms=25", EASEL_IN_FLIGHT="3") as site:
        site.up(within=60)
        other = site.project("gallery")
        for name in ("default", "gallery"):
            project = SqlProjectStore(site.database).by_name(name)
            assert project is not None
            site.database.write(lambda connection, it=project.id: _fill_an_hour(connection, it))
        client = site.client()
        client.run(prompt="broken <fake:fails_at_step:4>")
        for number in range(40):
            client.run(**LOAD, seed=str(number))
            client.post(f"Run/{MODEL}", {**BODY, **LOAD}, headers=signed(other))
        yield site


def _fill_an_hour(connection: Connection, project_id: int) -> None:
    """Write what an hour of a wavelike load would have left."""
    now, rows = time.time(), []
    for minute in range(2, 60):
        for number in range(round(3 + 2.5 * math.sin(minute / 6))):
            end = now - 60 * minute + 7 * number
            seconds = 4 + 3 * math.sin(minute / 9) ** 2 + number
            failed = (minute + number) % 23 == 0
            name = f"{project_id}-{minute}-{number}"
            rows.append(
                {
                    "uuid": name,
                    "token": name,
                    "project_id": project_id,
                    "model": MODEL,
                    "attempt": 1,
                    "parameters": {},
                    "values": {},
                    "callback_url": "",
                    "base_url": "",
                    "crashes": 0,
                    "last_seq": 0,
                    "status": "task_postprocess_end",
                    "turn": 1,
                    "pexit": "1" if failed else "0",
                    "message": "The device ran out of memory. Ask for a smaller picture." if failed else "",
                    "task_queue_at": end - seconds,
                    **dict.fromkeys(("task_accept_at", "task_start_at"), end - seconds / 2),
                    **dict.fromkeys(("task_end_at", "task_postprocess_end_at"), end),
                }
            )
    connection.execute(insert(TASKS), rows)


@pytest.fixture
def watch(chromium, busy: Site):
    context = chromium.new_context(viewport=DESKTOP)
    context.set_default_timeout(60_000)
    opened = Watch(context.new_page(), f"http://127.0.0.1:{busy.port}")
    yield opened
    context.close()


def _steps(watch: Watch) -> list[float]:
    return watch.page.locator(".held progress").evaluate_all("all => all.map((it) => it.value)")


def test_who_has_not_signed_in_is_asked_to(watch: Watch):
    watch.goto("/")
    watch.page.get_by_text("Sign in to see your queue").wait_for()
    assert watch.page.locator("#board").is_hidden()
    watch.judge("dashboard, signed out")
    watch.check()


def test_it_moves_while_a_load_runs(watch: Watch, busy: Site):
    sign_in(watch, busy)
    watch.page.get_by_role("link", name="Dashboard").click()
    page = watch.page
    page.locator(".badge.on").wait_for()
    assert page.locator("#scope").inner_text() == "All projects"
    page.locator(".held li").first.wait_for()
    watch.until("document.querySelectorAll('.held li').length === 3")
    before = _steps(watch)
    watch.until(
        "before => [...document.querySelectorAll('.held progress')].some((it) => !before.includes(it.value))", before
    )
    assert page.locator("#queue tbody tr").count() == 2
    assert int(page.locator("#waiting").inner_text()) >= 1
    assert page.locator("#throughput rect.done").count() > 30
    assert page.locator("#latency path").count() == 2
    page.get_by_text("asked to fail at step 4").wait_for()
    watch.judge("dashboard")
    watch.shoot("dashboard")
    done = int(page.locator("#done").inner_text())
    watch.until("done => Number(document.getElementById('done').textContent) > done", done)
    watch.check()


def test_a_project_sees_itself_alone(watch: Watch, busy: Site):
    key = busy.project("lonely").api_key
    watch.goto("/sign-in")
    watch.page.get_by_label("API key").fill(key)
    watch.page.get_by_role("button", name="Sign in").click()
    watch.page.wait_for_url("**/models")
    watch.goto("/")
    watch.page.get_by_text("Project lonely").wait_for()
    watch.page.get_by_text("tasks of others").or_(watch.page.get_by_text("idle")).first.wait_for()
    assert watch.page.locator("#queue tbody tr").count() == 0
    assert watch.page.locator("#done").inner_text() == "0"
    assert "gallery" not in watch.page.locator("main").inner_text()
    watch.shoot("dashboard-empty")
    watch.check()


def test_it_comes_back_when_the_server_does(watch: Watch, busy: Site):
    sign_in(watch, busy)
    watch.goto("/")
    watch.page.locator(".badge.on").wait_for()
    server = busy.processes[-1]
    server.signal(signal.SIGKILL)
    server.wait()
    watch.page.get_by_text("connecting again").wait_for()
    busy.up(within=60)
    watch.page.locator(".badge.on").wait_for()
    # Of a project that has nothing queued: its turn comes soon.
    busy.client(busy.project("late")).run(prompt="late <fake:fails_at_step:3>")
    watch.page.get_by_text("asked to fail at step 3").wait_for()
    watch.complaints[:] = [it for it in watch.complaints if "WebSocket connection" not in it]
    watch.check()
