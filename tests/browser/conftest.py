"""Chromium before a real `easel up`: what it shows, what it asks for, what it complains about."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.processes import Site, open_site

SCREENSHOTS = Path(__file__).parents[2] / "out" / "screenshots"
MINIATURE = {
    "EASEL_ENGINE": "sdxl",
    "EASEL_DEVICE": "cpu",
    "EASEL_MINIATURE": "true",
    "EASEL_LEASE_SECONDS": "60",
    "EASEL_HEARTBEAT_SECONDS": "5",
    "EASEL_STOP_SECONDS": "10",
}
SCHEMES = ("light", "dark")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox",  # the tests may run as root, and open nothing but this server's pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NONE = "No Chromium is here: install Debian's package `chromium`, or name one in CHROMIUM."
_SAID: list[str] = []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in _SAID:
        terminalreporter.write_line(line)


def say(line: str) -> None:
    """Print a line when the run is over."""
    _SAID.append(line)


@dataclass
class Watch:
    """A page, and what must not happen on it."""

    page: Any
    origin: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    responses: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("websocket", self._request)
        self.page.on("response", lambda response: self.responses.append(response))  # noqa: PLW0108  playwright marks it

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != urlsplit(self.origin).netloc:
            self.strangers.append(request.url)

    def goto(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def until(self, expression: str, argument: Any = None, seconds: float = 60) -> None:
        """Wait until JavaScript says so; playwright's own way needs `eval` in the page, which its policy forbids."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression, argument):
            assert time.monotonic() < deadline, f"not within {seconds} s: {expression}"
            self.page.wait_for_timeout(50)

    def check(self) -> None:
        """Fail on any complaint of the console and any request to elsewhere."""
        assert self.complaints == []
        assert self.strangers == []

    def judge(self, name: str) -> None:
        """Fail on serious findings of axe-core, in light and in dark."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  of the extra `browser`

        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = Axe().run(self.page).response["violations"]
            serious = [
                (it["id"], [node["html"][:120] for node in it["nodes"]])
                for it in found
                if it["impact"] in {"serious", "critical"}
            ]
            assert serious == [], f"{name}, {scheme}"
        self.page.emulate_media(color_scheme="light", reduced_motion="no-preference")

    def shoot(self, name: str) -> None:
        """Keep the page as a picture: light, dark, and as a phone shows it."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("scrollTo(0, 0)")
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png", full_page=True)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(PHONE)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.page.screenshot(path=SCREENSHOTS / f"{name}-phone.png", full_page=True)
        self.page.set_viewport_size(DESKTOP)
        assert wide <= 0, f"{name} is {wide} px wider than a phone"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium of the system."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.fail(
            "No Chromium is here: install Debian's package `chromium`, or name one in EASEL_TEST_CHROMIUM.",
            pytrace=False,
        )
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  of the extra `browser`

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`easel up` with the miniature, ready to draw."""
    with open_site(tmp_path_factory.mktemp("browser"), **MINIATURE) as opened:
        opened.up(within=180)
        yield opened


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`easel up` with the fake engine; its operator has pictures blurred."""
    with open_site(tmp_path_factory.mktemp("quick"), EASEL_CONTENT="blur", EASEL_FAKE="step_ms=1") as opened:
        opened.up(within=60)
        yield opened


@pytest.fixture
def visit(chromium: Any) -> Any:
    """Open new browsers, each without memory of another: `with visit(site) as watch`."""

    @contextmanager
    def opened(site: Site) -> Iterator[Watch]:
        context = chromium.new_context(viewport=DESKTOP)
        context.set_default_timeout(60_000)
        try:
            yield Watch(context.new_page(), f"http://127.0.0.1:{site.port}")
        finally:
            context.close()

    return opened
