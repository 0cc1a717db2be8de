"""Each client style of the contract against a live server: what it asks for, how it waits, what it makes of the end."""

import io
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from server.domain.lifecycle import TaskStatus
from server.domain.project import AuthMethod
from tests.conformance.clients.base import CANCELLED, COMPLETED, FAILED, Client, Outcome, Ticket, is_absolute
from tests.conformance.clients.dart import Dart
from tests.conformance.clients.kit import ApiResultError, Kit
from tests.conformance.clients.react_native import ReactNative
from tests.conformance.clients.styles import STYLES
from tests.conformance.conftest import Server
from tests.conformance.engines import both_engines, fake_then_miniature
from tests.e2e.processes import eventually
from tests.wire.uploading import png

WITH_A_KEY_ALONE = [pytest.param(style, id=style.style) for style in STYLES if not style.needs_a_secret]
SIGNING = [pytest.param(style, id=style.style) for style in STYLES]
STOPPING = [pytest.param(style, id=style.style) for style in STYLES if style.stops]
KITS = [pytest.param(style, id=style.style) for style in STYLES if issubclass(style, Kit)]
FAILS = "a lake <fake:fails_at_step:2>"


def shown(client: Client, outcome: Outcome) -> list[Image.Image]:
    """What the client's user sees."""
    pictures: list[Image.Image] = []
    for url in outcome.urls:
        assert is_absolute(url)
        answer = client.fetch(url)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert int(answer.headers["content-length"]) == len(answer.content)
        pictures.append(Image.open(io.BytesIO(answer.content)))
    return pictures


@both_engines
@pytest.mark.parametrize("style", SIGNING)
def test_s12_a_style_finds_runs_follows_and_fetches(server: Server, style: type[Client]):
    meet(style(server.door()))


@pytest.mark.parametrize("style", WITH_A_KEY_ALONE)
def test_s02_a_style_does_so_with_a_key_alone(server: Server, style: type[Client]):
    meet(style(server.door(AuthMethod.KEY)))


def meet(client: Client) -> None:
    """The whole way of a client: find the model, upload, run, follow, fetch."""
    client.find()
    picture = png()
    if (url := client.upload('a "b" ä.png' if isinstance(client, Kit) else "a b.png", picture)) is not None:
        assert client.fetch(url).content == picture
    outcome = client.follow(client.run())

    assert outcome.verdict == COMPLETED, outcome.said
    assert [image.size for image in shown(client, outcome)] == [(64, 64)]


@pytest.mark.parametrize("style", SIGNING)
def test_s05_a_style_calls_a_failed_run_failed(server: Server, style: type[Client]):
    client = style(server.door())
    ticket = client.run(prompt=FAILS)

    for wait in (client.follow, client.poll):
        outcome = wait(ticket)
        assert (outcome.verdict, outcome.urls) == (FAILED, [])


@pytest.mark.parametrize("style", SIGNING)
def test_s06_a_style_that_comes_late_is_told_all_the_same(server: Server, style: type[Client]):
    client = style(server.door())
    ticket = client.run(samples="2")
    first = client.poll(ticket)

    assert client.follow(ticket) == first
    assert len(shown(client, first)) == 2


@contextmanager
def busy(server: Server) -> Generator[None]:
    """Keep the worker busy with another project's task."""
    easel = server.easel()
    task = easel.run(prompt="a lake <fake:slow>", steps="150", samples="8", width="128", height="128")
    eventually(lambda: easel.detail(task["socketaccesstoken"])["status"] == "task_start")
    try:
        yield
    finally:
        assert easel.post("Task/Kill", {"taskid": task["taskid"]}).json()["result"] is True


def stopped_twice(stop: Callable[[Ticket], bool], ticket: Ticket) -> bool:
    """SDKs repeat a stop whose answer got lost: the second must say the same."""
    return stop(ticket) and stop(ticket)


@fake_then_miniature
@pytest.mark.parametrize("style", STOPPING)
def test_s03_4_a_style_cancels_what_is_queued(server: Server, style: type[Client]):
    client = style(server.door())
    with busy(server):
        ticket = client.run()
        assert stopped_twice(client.cancel, ticket)
        assert client.follow(ticket).verdict == CANCELLED
        assert client.poll(ticket) == Outcome(CANCELLED)


@fake_then_miniature
@pytest.mark.parametrize("style", STOPPING)
def test_s03_5_a_style_kills_what_is_running(server: Server, style: type[Client]):
    client = style(server.door())
    ticket = client.run(prompt="a lake <fake:slow>", steps="150", samples="8")
    server.site.wait_for_status(ticket.task_id, TaskStatus.START)

    assert stopped_twice(client.kill, ticket)
    assert client.follow(ticket) == Outcome(CANCELLED)


@pytest.mark.parametrize("style", KITS)
def test_s01_an_sdk_gets_code_and_message_of_a_refusal(server: Server, style: type[Kit]):
    client = style(server.door())

    with pytest.raises(ApiResultError) as refused:
        client.run(prompt="  ")
    assert refused.value.args == ("0", "Request parameter [prompt] required")
    with pytest.raises(ApiResultError) as missing:
        client.poll(Ticket("A" * 30, ""))
    assert missing.value.args == ("1", "There is no task yet.")


def test_s12_react_native_may_call_the_server_localhost(server: Server):
    door = server.door()
    client = ReactNative(door)
    url = client.follow(client.run()).urls[0].replace("127.0.0.1", "localhost")
    assert client.fetch(url).status_code == 200


def test_s09_a_refiner_left_out_is_the_cards_as_dart_must_do(server: Server):
    """Dart can't send "", and an option it can't send must not be the only way to the default."""
    client = Dart(server.door())
    assert "refiner" not in client.body()
    easel = server.easel()
    token = easel.run(steps="10", highNoiseFrac="0.8", stepsRefiner="20")["socketaccesstoken"]
    (log,) = [frame["message"]["raw"] for frame in easel.follow(token) if frame["type"] == "task_output_full"]
    assert " 12 steps" in log


def test_s02_no_two_styles_share_an_identity(server: Server):
    """A task is its project's alone, whichever style asks."""
    ticket = Dart(server.door()).run()
    with pytest.raises(ApiResultError, match="There is no task yet"):
        Dart(server.door()).poll(ticket)


def test_s12_the_readme_says_how_each_client_is_pointed_here():
    section = (Path(__file__).parents[2] / "README.md").read_text().partition("## Pointing clients here")[2]
    section = section.partition("\n## ")[0]
    for words in ("WIRO_API_BASE_URL", "socketUrl", "baseUri", "baseURL", "NODE_EXTRA_CA_CERTS", "EASEL_PUBLIC_URL"):
        assert f"`{words}`" in section
