"""A small Wiro client: sign, run, follow, fetch. What `easel run` and the demo use."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httpx2
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from server.entrypoints.trouble import Trouble

Json = dict[str, Any]

_TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Account:
    """Where the server is and who we are. `secret` is None for key projects."""

    url: str
    key: str
    secret: str | None

    def headers(self) -> dict[str, str]:
        """Return the authentication headers of one call, signed if the project signs. Raises Trouble."""
        if not f"{self.key}{self.secret}".isascii():
            raise Trouble("A key or secret of easel is plain ASCII: copy EASEL_API_KEY and EASEL_API_SECRET once more.")
        if self.secret is None:
            return {"x-api-key": self.key}
        nonce = str(time.time_ns() // 1_000_000)
        signature = hmac.new(self.key.encode(), f"{self.secret}{nonce}".encode(), hashlib.sha256).hexdigest()
        return {"x-api-key": self.key, "x-nonce": nonce, "x-signature": signature}


def read_account(url: str, project_file: Path) -> Account:
    """Read the credentials `easel up` left in the data folder. Raises Trouble."""
    try:
        project = json.loads(project_file.read_text())
        return Account(url, project["apiKey"], project["apiSecret"])
    except FileNotFoundError:
        raise Trouble(
            f"No credentials, for there is no {project_file}: set EASEL_API_KEY and EASEL_API_SECRET, "
            "or make a project with `easel project create`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Trouble(f"{project_file} can't be read as a project; make one with `easel project create`.") from None


class Client:
    """Calls the API. Every method raises Trouble with what the server said, or that it can't be reached."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._http = httpx2.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)

    def run(self, model: str, parameters: Mapping[str, str]) -> str:
        """Queue a task; return its token."""
        return str(self._post(f"Run/{model}", parameters)["socketaccesstoken"])

    def plan(self, model: str, parameters: Mapping[str, str]) -> Json:
        """Return what a Run would come to, without queueing it."""
        return cast("Json", self._post(f"Plan/{model}", parameters)["plan"])

    def detail(self, token: str) -> Json:
        """Return the task object."""
        return cast("Json", self._post("Task/Detail", {"tasktoken": token})["tasklist"][0])

    def kill(self, token: str) -> Json:
        """Kill or cancel the task."""
        return cast("Json", self._post("Task/Kill", {"tasktoken": token})["tasklist"][0])

    def follow(self, token: str) -> Iterator[Json]:
        """Yield the task's frames up to the terminal one; a socket that breaks off is opened again."""
        seen = 0
        while True:
            try:
                for frame in self._frames(token):
                    if frame.get("seq", seen + 1) <= seen:
                        continue
                    seen = max(seen, frame.get("seq", 0))
                    yield frame
                    if frame["terminal"]:
                        return
            except (ConnectionClosed, OSError, InvalidHandshake):
                time.sleep(_POLL_SECONDS)
                self.detail(token)  # raises if the server itself is gone

    def fetch(self, url: str) -> bytes:
        """Return a file's bytes."""
        try:
            answer = self._http.get(url)
            answer.raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise Trouble(f"{url} can't be fetched: {error}.") from None
        return answer.content

    def _frames(self, token: str) -> Iterator[Json]:
        url = "ws" + self._account.url.removeprefix("http") + "/v1"
        with connect(url, compression=None, proxy=None) as socket:
            socket.send(json.dumps({"type": "task_info", "tasktoken": token}))
            for message in socket:
                frame = json.loads(message)
                if frame["type"] == "error":
                    raise Trouble(f"The server refused to show the task: {frame['message']}.")
                if frame["type"] != "connected":
                    yield frame

    def _post(self, path: str, body: Mapping[str, object]) -> Json:
        url = f"{self._account.url}/v1/{path}"
        try:
            answer = self._http.post(url, json=body, headers=self._account.headers())
        except httpx2.HTTPError as error:
            raise Trouble(f"No server answers at {self._account.url}: {error}. Start one with `easel up`.") from None
        except (httpx2.InvalidURL, ValueError) as error:
            raise Trouble(f"{self._account.url} is not a server's URL: {error}; try http://127.0.0.1:8000.") from None
        try:
            said = cast("Json", answer.json())
        except ValueError:
            raise Trouble(f"{url} does not speak Wiro: it answered {answer.status_code} without JSON.") from None
        if not said.get("result"):
            errors = said.get("errors") or [{"message": f"HTTP {answer.status_code}"}]
            raise Trouble(f"The server refused {path}: {errors[0]['message']}")
        return said
