"""Log lines: one record a line, with what it is about, and without secrets."""

import io
import json
import logging
from contextlib import contextmanager

import anyio
import pytest
from starlette.concurrency import run_in_threadpool

from server.domain.log_context import about
from server.entrypoints.logs import set_up_logging, without_secrets
from server.settings import Settings


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch):
    """A context in which JSON is logged; it yields a function that returns what was, line by line."""
    root, heard = logging.getLogger(), io.StringIO()

    @contextmanager
    def logging_to(**settings: str):
        kept, level = root.handlers[:], root.level
        root.handlers.clear()
        set_up_logging(Settings(**{"log_format": "json", "log_level": "debug", **settings}))
        root.handlers[0].setStream(heard)
        try:
            yield lambda: heard.getvalue().splitlines()
        finally:
            root.handlers[:] = kept
            root.setLevel(level)

    return logging_to


def test_a_record_is_one_object_on_one_line(lines):
    with lines() as said:
        logging.getLogger("server.x").warning("two\nlines of %s", "text")
    (line,) = said()
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {"level": "warning", "logger": "server.x", "message": "two\nlines of text"}


def test_it_says_what_it_is_about_also_on_another_thread(lines):
    async def work() -> None:
        with about(request_id="r1"), about(task_id=7):
            await run_in_threadpool(logging.getLogger("server.x").info, "inside")

    with lines() as said:
        anyio.run(work)
        logging.getLogger("server.x").info("outside")
    inside, outside = (json.loads(line) for line in said() if "server.x" in line)
    assert (inside["request_id"], inside["task_id"]) == ("r1", "7")
    assert "task_id" not in outside


def test_an_exception_stays_within_its_line(lines):
    with lines() as said:
        try:
            int("https://u:secret@example.org/x?token=abc")
        except ValueError:
            logging.getLogger("server.x").exception("broken")
    (line,) = said()
    told = json.loads(line)["exception"]
    assert "'https://example.org/x?…'" in told
    assert "u:secret" not in line
    assert "abc" not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://example.org/a?token=s3cr3t&b=1 now", "see https://example.org/a?… now"),
        ("postgresql://easel:pass@db/easel", "postgresql://db/easel"),
        ("postgresql://easel:pa:ss@db/easel?sslmode=x", "postgresql://db/easel?…"),
        ("GET https://example.org/plain", "GET https://example.org/plain"),
        ("what? nothing", "what? nothing"),
        ('"wss://x.example/v1?key=1"', '"wss://x.example/v1?…"'),
    ],
)
def test_urls_lose_what_may_be_secret(text: str, shown: str):
    assert without_secrets(text) == shown


@pytest.mark.parametrize("name", ["uvicorn.error", "websockets.server", "httpcore2.http11"])
def test_libraries_whose_debugging_shows_headers_and_messages_do_none(lines, name: str):
    with lines() as said:
        logging.getLogger(name).debug("> x-api-key: abc")
    assert said() == []


def test_text_is_for_people(lines):
    with lines(log_format="text") as said:
        logging.getLogger("server.x").info("hello")
    assert said()[0].endswith("INFO    server.x: hello")
