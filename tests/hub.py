"""A small hub on loopback, in the shape of the real one's API, which breaks off, corrupts and refuses as it is told."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

BIG = 2000


@dataclass
class FakeHub:
    """What it holds, by repository and file name, and how it behaves."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    licence: str = "openrail++"
    breaks: list[int] = field(default_factory=list)  # after so many bytes of the next big transfers
    spoil: set[str] = field(default_factory=set)  # files of which another byte is sent
    gated: bool = False
    ranges: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    url: str = ""

    def about(self, repository: str) -> bytes:
        siblings = [
            {"rfilename": name, "size": len(content), **_lfs(name, content)}
            for name, content in self.files[repository].items()
        ]
        told = {"id": repository, "sha": "main", "siblings": siblings, "tags": [f"license:{self.licence}"]}
        return json.dumps(told).encode()

    def content(self, path: str) -> bytes | None:
        owner, name, resolve, _revision, *rest = [*path.lstrip("/").split("/"), "", "", ""]
        held = self.files.get(f"{owner}/{name}", {}) if resolve == "resolve" else {}
        return held.get("/".join(filter(None, rest)))


def _lfs(name: str, content: bytes) -> dict[str, object]:
    if not name.endswith(".safetensors"):
        return {}
    return {"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}}


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if self.hub.gated and self.headers.get("Authorization") != "Bearer hf_open":
            return self._send(401, b"", body=body)
        repository = path.removeprefix("/api/models/")
        if path != repository:
            known = repository in self.hub.files
            return self._send(200 if known else 404, self.hub.about(repository) if known else b"", body=body)
        content = self.hub.content(path)
        if content is None:
            return self._send(404, b"", body=body)
        if path.rpartition("/")[2] in self.hub.spoil:
            content = content[:-1] + bytes([content[-1] ^ 1])
        return self._send_part(content, body=body)

    def _send_part(self, content: bytes, *, body: bool) -> None:
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.hub.ranges else 0
        if start >= len(content) > 0:
            return self._send(416, b"", body=body)
        return self._send(206 if start else 200, content[start:], body=body)

    def _send(self, status: int, content: bytes, *, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not body:
            return
        if self.hub.breaks and "/resolve/" in self.path and len(content) > BIG:
            self.wfile.write(content[: self.hub.breaks.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
