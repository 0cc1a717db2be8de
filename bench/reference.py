"""The references, each in a process of its own: `python -m bench.reference KIND PORT FOLDER`.

`bare` is FastAPI on easel's server with one GET; `lean` is the least that can answer a signed Detail there; `porch` is
easel's API with nothing behind it; `raw` writes one frame, made once, to every socket.
"""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import sys
import threading
import time
from contextlib import closing
from dataclasses import astuple
from itertools import count
from pathlib import Path
from typing import cast

from fastapi import FastAPI, Request, Response

from bench.socket_load import text_frame
from models.gate.gate import load_gate
from server.adapters.memory import MemoryStores
from server.adapters.memory.refusals import MemoryRefusalLog
from server.api.app import create_app
from server.api.serving import make_server
from server.api.wiring import Wiring
from server.domain.lifecycle import TaskStatus
from server.domain.project import AuthMethod
from server.domain.task import NewTask, Task
from server.domain.types import TaskId
from server.services.projects import Credentials, create_project
from server.services.screen import Screen
from tests.serving import memory_wiring

_HANDSHAKE = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Forgetful(MemoryStores):
    """Stores that keep projects and nothing else: a submit costs what making the task costs."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)

    def submit(self, new: NewTask) -> Task:
        """Return a task that nobody will find again."""
        kept = ("uuid", "project_id", "token", "model", "parameters", "values", "callback_url", "base_url", "cps")
        return Task(
            id=TaskId(next(self._ids)),
            **{name: getattr(new, name) for name in kept},
            status=TaskStatus.QUEUE,
            turn=1,
            attempt=0,
            crashes=0,
            last_seq=1,
            pexit="",
            message="",
            times={TaskStatus.QUEUE: time.time()},
        )


def bare() -> FastAPI:
    """Return an application with one route and nothing around it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def _answer() -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        return {"result": True}

    return app


def lean(folder: Path) -> FastAPI:
    """Return an application with one POST: a body, a signature, a row for each of project and task, in a thread."""
    path = folder / "lean.db"
    credentials, task = Credentials("bench", "key", "secret"), {f"field{number}": "some text" for number in range(40)}
    (folder / "credentials.json").write_text(json.dumps(astuple(credentials)))
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE rows (name TEXT PRIMARY KEY, text TEXT)")
        rows = [("key", credentials.api_secret), ("token", json.dumps({"result": True, "tasklist": [task]}))]
        made.executemany("INSERT INTO rows VALUES (?, ?)", rows)
    held, app = threading.local(), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def read(name: str) -> str:
        if not hasattr(held, "connection"):
            held.connection = sqlite3.connect(path)
        return held.connection.execute("SELECT text FROM rows WHERE name = ?", (name,)).fetchone()[0]

    @app.post("/v1/Task/Detail")
    def _detail(request: Request, body: dict[str, str]) -> Response:  # pyright: ignore[reportUnusedFunction]
        key, nonce, signature = (request.headers[f"x-{name}"] for name in ("api-key", "nonce", "signature"))
        expected = hmac.new(key.encode(), (read(key) + nonce).encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            return Response(status_code=401)
        return Response(read(body["tasktoken"]), media_type="application/json")

    return app


def porch(folder: Path) -> FastAPI:
    """Return easel's application without a database; its project's credentials go to a file."""
    from dataclasses import fields  # noqa: PLC0415

    stores = Forgetful()
    wiring = memory_wiring(folder)
    parts = {field.name: getattr(wiring, field.name) for field in fields(wiring)}
    held = dict.fromkeys(
        ("reads", "tasks", "queue", "log", "projects", "registry", "health", "uploads", "keeper"), stores
    )
    screen = Screen(load_gate(), MemoryRefusalLog())
    wiring = Wiring(**{**parts, **held, "webhooks": stores.webhooks, "screen": screen})
    made = create_project(stores, wiring.secrets, "bench", AuthMethod.SIGNATURE)
    (folder / "credentials.json").write_text(json.dumps([made.name, made.api_key, made.api_secret]))
    return create_app(wiring)


class _Raw(asyncio.Protocol):
    """Says yes to every websocket; `TICK size` on any connection sends a frame of that size to all of them."""

    def __init__(self, crowd: "set[asyncio.Transport]") -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        assert self._transport is not None
        self._crowd.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if data.startswith(b"GET "):
            self._crowd.add(self._transport)
            self._transport.write(_HANDSHAKE + text_frame(b"welcome", masked=False))
        elif data.startswith(b"TICK "):
            frame = text_frame(b"x" * int(data.split()[1]), masked=False)
            for transport in self._crowd:
                transport.write(frame)


async def raw(port: int) -> None:
    """Serve until the process is ended."""
    crowd: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(lambda: _Raw(crowd), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main(kind: str, port: int, folder: Path) -> None:
    """Serve one of the references."""
    match kind:
        case "raw":
            asyncio.run(raw(port))
        case "bare":
            make_server(bare(), "127.0.0.1", port).run()
        case "lean":
            make_server(lean(folder), "127.0.0.1", port).run()
        case "porch":
            make_server(porch(folder), "127.0.0.1", port).run()
        case _:
            raise SystemExit(f"no reference {kind!r}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
