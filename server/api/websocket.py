"""The websocket at /v1: clients register task tokens, the hub tells them the story."""

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from typing import Final, cast

from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect, WebSocketState

from server.api.errors import envelope
from server.api.frames import plain_frame
from server.api.hub import Follower, Hub
from server.api.outbox import Outbox
from server.api.previews import Gallery, Viewer
from server.api.sockets import Patience
from server.api.wiring import Wired, Wiring
from server.domain.errors import Unavailable

router = APIRouter()

TRY_AGAIN_LATER: Final = 1013
_POLICY_VIOLATION: Final = 1008
_GOODBYE_SECONDS: Final = 30.0
"""How long a client that does not read may take to find out that it was closed."""
_SEQ: Final = re.compile(r"[0-9]{1,9}")
_TOO_MANY: Final = "This address has too many websockets open. Close some, or follow several tasks on one of them."


@router.websocket("/v1")
async def tasks_socket(websocket: WebSocket, wiring: Wired) -> None:
    """Serve one client until it leaves: the server never closes a healthy socket first (trap 9)."""
    address = websocket.client.host if websocket.client else ""
    with websocket.app.state.open_sockets.entered(address) as entered:
        if not entered:
            await websocket.send_denial_response(JSONResponse(envelope(_TOO_MANY), 429))
            return
        await websocket.accept()
        await _Client(websocket, wiring, websocket.app.state.hub, websocket.app.state.gallery).serve()


@dataclass(frozen=True, slots=True)
class _Registration:
    """What a `task_info` message asks for: the task of a token ("" if it names none), from behind its event `seq`.

    `preview` says whether the client wants to see it drawn; None: as before.
    """

    token: str
    seq: int
    preview: bool | None


class _Client:
    def __init__(self, websocket: WebSocket, wiring: Wiring, hub: Hub, gallery: Gallery) -> None:
        self._websocket = websocket
        self._wiring = wiring
        self._hub = hub
        self._gallery = gallery
        self._outbox = Outbox(wiring.clock.monotonic, hub.wake)
        self._followers: dict[str, Follower] = {}
        self._viewers: dict[str, Viewer] = {}
        self._patience = Patience(wiring.sockets, wiring.clock.monotonic)

    async def serve(self) -> None:
        self._outbox.put(plain_frame("connected", result=True, version="1.0"))
        jobs = [asyncio.ensure_future(job) for job in (self._send(), self._receive(), self._too_slow(), self._idle())]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            code = next(iter(done)).result()
        except (WebSocketDisconnect, RuntimeError, OSError):
            code = None  # it went away by itself
        finally:
            self._hub.unfollow(self._followers.values())
            self._gallery.leave(self._viewers.values())
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        if code is not None and self._websocket.application_state is WebSocketState.CONNECTED:
            self._outbox.clear()
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):  # TimeoutError is an OSError
                await asyncio.wait_for(self._websocket.close(code), _GOODBYE_SECONDS)

    async def _send(self) -> int | None:
        while True:
            await self._websocket.send_text(await self._outbox.get())

    async def _too_slow(self) -> int | None:
        patience = self._wiring.sockets.send_seconds
        while self._outbox.waited <= patience:  # noqa: ASYNC110 time is waited for, no event
            await asyncio.sleep(patience / 4)
        return TRY_AGAIN_LATER

    async def _idle(self) -> int | None:
        await asyncio.sleep(self._wiring.sockets.register_seconds)
        if not self._followers:
            return _POLICY_VIOLATION
        return await asyncio.get_running_loop().create_future()  # registered: stay for as long as the client likes

    async def _receive(self) -> int | None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            # Nothing is dropped and nobody is thrown out: what comes too fast stays in the client's own buffers.
            while wait := self._patience.wait():  # noqa: ASYNC110 time is waited for, no event
                await asyncio.sleep(wait)
            text = message.get("text")
            registration = _registration(text) if text else None
            if registration is not None:
                try:
                    await self._register(registration)
                except Unavailable:
                    return TRY_AGAIN_LATER

    async def _register(self, registration: "_Registration") -> None:
        token = registration.token
        if not token:
            self._outbox.put(plain_frame("error", message="tasktoken-required", result=False))
            return
        if token not in self._followers:
            await self._follow(registration)
        if token in self._followers and registration.preview is not None:
            self._show(token, wanted=registration.preview)

    def _show(self, token: str, *, wanted: bool) -> None:
        if not wanted:
            self._gallery.leave(filter(None, [self._viewers.pop(token, None)]))
        elif token not in self._viewers:
            self._viewers[token] = Viewer(self._followers[token], token)
            self._gallery.enter(self._viewers[token])

    async def _follow(self, registration: "_Registration") -> None:
        token = registration.token
        followed = sum(not follower.done for follower in self._followers.values())
        if followed >= self._wiring.sockets.tokens:
            message = f"too-many-tasktokens: a socket follows {self._wiring.sockets.tokens} tasks at most"
            self._outbox.put(plain_frame("error", message=message, result=False, token=token))
            return
        task = await run_in_threadpool(self._wiring.tasks.find_by_token, token)
        if task is None:
            self._outbox.put(plain_frame("error", message="task-not-exist", result=False, token=token))
            return
        follower = Follower(task.id, self._outbox, cursor=min(registration.seq, task.last_seq))
        self._followers[token] = follower
        follower.done = task.terminal and follower.cursor == task.last_seq
        if not follower.done:
            self._hub.follow(follower)


def _registration(text: str) -> _Registration | None:
    """Return what a `task_info` message asks for; None for anything else, which is ignored."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    fields = cast("dict[str, object]", message)
    if fields.get("type") != "task_info":
        return None
    token = fields.get("tasktoken")
    text_of_token = token.strip() if isinstance(token, str) else ""
    # PostgreSQL takes no NUL, and no token has anything of the kind.
    usable = text_of_token.isascii() and text_of_token.isprintable()
    preview = fields.get("preview")
    wish = preview if isinstance(preview, bool) else None
    return _Registration(text_of_token if usable else "", _seq(fields.get("seq")), wish)


def _seq(given: object) -> int:
    """Return from where to go on: a number, or one as text; 0, the whole story, for anything else."""
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    return int(text) if _SEQ.fullmatch(text) else 0
