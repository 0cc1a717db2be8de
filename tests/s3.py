"""A server that speaks S3 (moto), in a process of its own, and buckets on it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from server.adapters.s3.client import open_client
from server.domain.bucket_url import parse_bucket_url
from tests.e2e.processes import free_port

_NUMBERS = count(1)

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class S3Server:
    """Where it listens."""

    host: str
    port: int

    def new_bucket(self) -> str:
        """Make a bucket; return its URL, with a prefix."""
        name = f"easel-{next(_NUMBERS)}"
        self.client().create_bucket(Bucket=name)
        return self.url(name)

    def url(self, bucket: str, port: int | None = None) -> str:
        """Return the bucket's URL, by the way of a port that leads there."""
        return f"s3://{bucket}/kept/here?endpoint=http://{self.host}:{port or self.port}"

    def client(self) -> Any:
        """A client of the server itself."""
        return open_client(parse_bucket_url(self.url("any-bucket")))


@contextmanager
def s3_server(folder: Path, host: str = "127.0.0.1", *inside: str) -> Iterator[S3Server]:
    """Run a server; `inside` is what its command begins with, to start it elsewhere."""
    server = S3Server(host, free_port())
    with (folder / "s3.log").open("wb") as log:
        command = [*inside, sys.executable, "-W", "ignore", "-m", "moto.server", "-H", host, "-p", str(server.port)]
        popen = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **CREDENTIALS})
    try:
        deadline = time.monotonic() + 60
        while not _answers(server, *inside):
            assert popen.poll() is None, (folder / "s3.log").read_text()
            assert time.monotonic() < deadline, "no S3 server within a minute"
            time.sleep(0.1)
        yield server
    finally:
        popen.terminate()
        popen.wait(20)


def _answers(server: S3Server, *inside: str) -> bool:
    url = f"http://{server.host}:{server.port}/moto-api/"
    if inside:
        ask = f"import urllib.request as u; u.urlopen({url!r}, timeout=5)"
        return subprocess.run([*inside, sys.executable, "-c", ask], check=False, capture_output=True).returncode == 0
    try:
        return httpx2.get(url, trust_env=False, timeout=5).is_success
    except httpx2.TransportError:
        return False
