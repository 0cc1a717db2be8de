"""What every client style is made of: where the server is, how a call goes out, and what a scenario asks of a client.

The styles are written from the wire contract, not from the server: they share no code with it. A habit that matters to
the server is kept (names, types, encodings, headers, where it stops listening, what it decodes strictly); waiting times
are shortened, for they matter to nobody.
"""

import hashlib
import hmac
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, cast
from urllib.parse import urlsplit

import httpx2
from websockets.sync.client import ClientConnection, connect

PACE = 0.05
"""Seconds between two looks at a task, for 2, 3 and 20 s in the field."""
PATIENCE = 60.0
"""Seconds until a client gives up, for up to ten minutes in the field."""
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
SMALL: dict[str, Any] = {"width": "64", "height": "64", "steps": "4", "samples": "1", "seed": "9421808"}
"""What keeps a drawing short."""
_ABSOLUTE = re.compile(r"https?://[!-~]+")
_ESCAPED = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True)
class Door:
    """Where a client finds the server, and what it may show there; a key project has no secret."""

    port: int
    key: str
    secret: str | None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def socket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1"


@dataclass(frozen=True)
class Ticket:
    """What Run gave; a client keeps what it reads, so either may be empty."""

    token: str
    task_id: str


@dataclass(frozen=True)
class Outcome:
    """What the client would tell its user."""

    verdict: str
    urls: list[str] = field(default_factory=list[str])
    said: str = ""


class Client(ABC):
    """One style of client."""

    style: ClassVar[str]
    needs_a_secret: ClassVar[bool] = False
    """It can't be used with a key-only project."""
    stops: ClassVar[tuple[str, ...]] = ("cancel", "kill")
    slug: ClassVar[str] = "hevok/studio-trigger"

    def __init__(self, door: Door) -> None:
        self.door = door

    def find(self) -> None:  # noqa: B027 most styles are told the slug
        """Look the model up, where the style can."""

    def upload(self, name: str, content: bytes) -> str | None:
        """Upload a file and return its URL, where the style can."""
        del name, content
        return None

    @abstractmethod
    def run(self, **parameters: Any) -> Ticket:
        """Queue a task, in the types and the encoding of the style."""

    @abstractmethod
    def follow(self, ticket: Ticket) -> Outcome:
        """Wait for the end as the style does."""

    def poll(self, ticket: Ticket) -> Outcome:
        """Wait without the socket, where the style has both ways."""
        return self.follow(ticket)

    def cancel(self, ticket: Ticket) -> bool:
        """Cancel a queued task; what the style says of it."""
        raise NotImplementedError(ticket)

    def kill(self, ticket: Ticket) -> bool:
        """Kill a running task; what the style says of it."""
        raise NotImplementedError(ticket)

    def fetch(self, url: str) -> httpx2.Response:
        """Get a picture as anybody may: no credentials, no special headers."""
        return httpx2.get(url, trust_env=False, timeout=30)

    def send(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """POST bytes under headers, and follow no redirect."""
        plain = {"User-Agent": self.style, **headers}
        return httpx2.post(url, content=content, headers=plain, trust_env=False, timeout=30)

    def open_socket(self, **options: Any) -> ClientConnection:
        return cast("ClientConnection", connect(self.door.socket, proxy=None, open_timeout=30, **options))


def signature(key: str, secret: str, nonce: str) -> str:
    """Section 2: the key signs secret and nonce."""
    return hmac.new(key.encode(), f"{secret}{nonce}".encode(), hashlib.sha256).hexdigest()


def signed(door: Door, nonce: str) -> dict[str, str]:
    """Headers of a call: the key, and the signature where there is a secret."""
    if not door.secret:
        return {"x-api-key": door.key}
    return {"x-api-key": door.key, "x-nonce": nonce, "x-signature": signature(door.key, door.secret, nonce)}


def milliseconds() -> str:
    return str(time.time_ns() // 1_000_000)


def seconds() -> str:
    return str(int(time.time()))


def strict_json(content: bytes) -> Any:
    """Decode as the strict parsers do: UTF-8, no NaN and no Infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} in JSON")

    return json.loads(content.decode("utf-8", errors="strict"), parse_constant=refuse)


def is_absolute(url: object) -> bool:
    """What `z.string().url()`, `new URL` and `java.net.URI` all take: absolute, ASCII, escaped."""
    return (
        isinstance(url, str)
        and _ABSOLUTE.fullmatch(url) is not None
        and _ESCAPED.fullmatch(url) is not None
        and bool(urlsplit(url).hostname)
    )


def wait_for(look: Callable[[], Outcome | None]) -> Outcome:
    """Look again and again until there is an outcome."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (outcome := look()) is not None:
            return outcome
        time.sleep(PACE)
    raise AssertionError(f"no outcome within {PATIENCE} s")
