"""The Hugging Face hub over plain HTTP, and any other address. Reads only what it is asked for, when it is asked."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Final, Self, cast
from urllib.parse import quote, unquote, urlsplit

import httpx2

from models.lock import is_sha256
from server.ports.pulling import Interrupted, PullFailed, RemoteFile, Repository, Transfer

HUB: Final = "https://huggingface.co"

_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
_SECONDS: Final = 30.0
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_OK, _PARTIAL, _NOT_FOUND, _BEYOND, _TOO_MANY, _SERVER = 200, 206, 404, 416, 429, 500
_FORBIDDEN: Final = frozenset({401, 403})
_SAME_BYTES: Final = {"Accept-Encoding": "identity"}


class HttpRemote:
    """Implements `Remote`. `token` goes to the hub alone, for repositories with conditions."""

    def __init__(self, endpoint: str = HUB, token: str = "") -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._http = httpx2.Client(timeout=_SECONDS, follow_redirects=True, headers=_SAME_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def repository(self, hub_id: str) -> Repository:
        """Ask `/api/models/{id}` for files, sizes, hashes and the licence."""
        if not _ID.fullmatch(hub_id):
            raise PullFailed(f"{hub_id!r} is neither a repository such as owner/name nor an address such as https://….")
        told = self._json(f"{self._endpoint}/api/models/{hub_id}?blobs=true", hub_id)
        revision = quote(str(told.get("sha") or "main"), safe="")
        files = [self._sibling(hub_id, revision, each) for each in told.get("siblings") or ()]
        tags = [str(tag) for tag in told.get("tags") or ()]
        by_tag = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "")
        card = cast("dict[str, Any]", told.get("cardData") or {})
        return Repository(files=files, licence=str(card.get("license") or by_tag))

    def file(self, url: str) -> RemoteFile:
        """Ask with HEAD."""
        self._check(url)
        response = self._ask("HEAD", url, url)
        size = response.headers.get("x-linked-size") or response.headers.get("content-length") or ""
        etag = (response.headers.get("x-linked-etag") or "").strip('"')
        name = PurePosixPath(unquote(urlsplit(url).path)).name
        return RemoteFile(
            name=name, url=url, size=int(size) if size.isdecimal() else None, sha256=etag if is_sha256(etag) else None
        )

    @contextmanager
    def read(self, file: RemoteFile, start: int) -> Generator[Transfer]:
        """Ask for the rest of a file with Range."""
        headers = {**self._headers(file.url), **({"Range": f"bytes={start}-"} if start else {})}
        try:
            with self._http.stream("GET", file.url, headers=headers) as response:
                if start and response.status_code == _BEYOND:
                    yield _Nothing(start)
                    return
                _judge(response.status_code, file.name)
                yield _Body(response, start if response.status_code == _PARTIAL else 0)
        except httpx2.HTTPError as error:
            raise _broken(file.name, error) from error

    def _sibling(self, hub_id: str, revision: str, told: dict[str, Any]) -> RemoteFile:
        name = str(told.get("rfilename"))
        lfs = cast("dict[str, Any]", told.get("lfs") or {})
        sha256, size = str(lfs.get("sha256") or ""), lfs.get("size", told.get("size"))
        return RemoteFile(
            name=name,
            url=f"{self._endpoint}/{hub_id}/resolve/{revision}/{quote(name)}",
            size=size if isinstance(size, int) else None,
            sha256=sha256 if is_sha256(sha256) else None,
        )

    def _json(self, url: str, what: str) -> dict[str, Any]:
        try:
            content = self._ask("GET", url, what).json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise PullFailed(f"{self._endpoint} doesn't answer as the hub does; look at HF_ENDPOINT.")
        return cast("dict[str, Any]", content)

    def _ask(self, method: str, url: str, what: str) -> httpx2.Response:
        try:
            response = self._http.request(method, url, headers=self._headers(url))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _broken(what, error) from error
        _judge(response.status_code, what)
        return response

    def _headers(self, url: str) -> dict[str, str]:
        ours = self._token and url.startswith(f"{self._endpoint}/")
        return {"Authorization": f"Bearer {self._token}"} if ours else {}

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            raise PullFailed(f"{url} is no address.") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL):
            raise PullFailed(f"{url} is not https: anybody on the way could change the file.")


class _Body:
    """Implements `Transfer`."""

    def __init__(self, response: httpx2.Response, start: int) -> None:
        self._response = response
        self.start = start

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_raw()  # as it comes: what waits in a buffer would be lost
        except httpx2.HTTPError as error:
            raise _broken(str(self._response.url), error) from error


class _Nothing:
    """Implements `Transfer` where all is there already."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def _broken(what: str, error: Exception) -> Interrupted:
    return Interrupted(f"{what} can't be read ({str(error) or type(error).__name__})")


def _judge(status: int, what: str) -> None:
    if status in _FORBIDDEN:
        raise PullFailed(
            f"{what} is not open to everybody: accept its conditions on its page, and set HF_TOKEN to a token of yours."
        )
    if status == _NOT_FOUND:
        raise PullFailed(f"There is no {what}; look at the spelling.")
    if status == _TOO_MANY or status >= _SERVER:
        raise Interrupted(f"{what} can't be had now (HTTP {status})")
    if status not in {_OK, _PARTIAL}:
        raise PullFailed(f"{what} can't be had (HTTP {status}).")
