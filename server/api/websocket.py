"""The websocket at /v1: clients register task tokens, the hub tells them the story."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect, WebSocketState

from server.api.caller import admit
from server.api.errors import envelope
from server.api.frames import plain_frame
from server.api.hub import Follower, Hub
from server.api.metrics.meter import Meter
from server.api.outbox import Outbox
from server.api.previews import Gallery, Viewer
from server.api.project_follower import ProjectFollower
from server.api.project_hub import ProjectHub
from server.api.registrations import ProjectRegistration, Registration, read_wish
from server.api.slow_readers import SlowReaders
from server.api.sockets import Patience
from server.api.wiring import Wired, Wiring
from server.domain.errors import EaselError, Unavailable
from server.services.authenticate import Proven
from server.services.scope import scope_of

router = APIRouter()

TRY_AGAIN_LATER: Final = 1013
_POLICY_VIOLATION: Final = 1008
_GOODBYE_SECONDS: Final = 30.0
"""How long a client that does not read may take to find out that it was closed."""
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
        state = websocket.app.state
        around = _Around(wiring, state.hub, state.gallery, state.project_hub, state.slow_readers, state.meter)
        await _Client(websocket, around, address).serve()


@dataclass(frozen=True, slots=True)
class _Around:
    """What all sockets of a process share."""

    wiring: Wiring
    hub: Hub
    gallery: Gallery
    projects: ProjectHub
    slow_readers: SlowReaders
    meter: Meter


class _Client:
    def __init__(self, websocket: WebSocket, around: _Around, address: str) -> None:
        self._websocket = websocket
        self._address = address
        self._wiring = wiring = around.wiring
        self._hub, self._gallery = around.hub, around.gallery
        self._projects, self._slow_readers, self._meter = around.projects, around.slow_readers, around.meter
        self._outbox = Outbox(wiring.clock.monotonic, self._on_room)
        self._followers: dict[str, Follower] = {}
        self._project: ProjectFollower | None = None
        self._viewers: dict[str, Viewer] = {}
        self._unwelcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._patience = Patience(wiring.sockets, wiring.clock.monotonic)

    async def serve(self) -> None:
        self._outbox.put(plain_frame("connected", result=True, version="1.0"))
        with self._slow_readers.watched(self._outbox) as too_slow:
            code = await self._until_over(too_slow)
        if code is not None and self._websocket.application_state is WebSocketState.CONNECTED:
            self._outbox.clear()
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):  # TimeoutError is an OSError
                await asyncio.wait_for(self._websocket.close(code), _GOODBYE_SECONDS)

    async def _until_over(self, too_slow: asyncio.Future[None]) -> int | None:
        """Return the code to close with, or None where the client has gone by itself."""
        jobs = [asyncio.ensure_future(job) for job in (self._send(), self._receive(), self._idle())]
        try:
            done, _ = await asyncio.wait([*jobs, too_slow, self._unwelcome], return_when=asyncio.FIRST_COMPLETED)
            if self._unwelcome in done:
                return _POLICY_VIOLATION
            if too_slow in done:
                self._meter.too_slow()
                return TRY_AGAIN_LATER
            return next(iter(done)).result()
        except (WebSocketDisconnect, RuntimeError, OSError):
            return None  # it went away by itself
        finally:
            self._hub.unfollow(self._followers.values())
            self._projects.unfollow(self._project)
            self._gallery.leave(self._viewers.values())
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    def _turn_out(self) -> None:
        if not self._unwelcome.done():
            self._unwelcome.set_result(None)

    def _on_room(self) -> None:
        self._hub.wake()
        if self._project is not None:
            self._projects.wake()

    async def _send(self) -> int | None:
        while True:
            await self._websocket.send({"type": "websocket.send", "text": await self._outbox.get()})

    async def _idle(self) -> int | None:
        await asyncio.sleep(self._wiring.sockets.register_seconds)
        if not self._followers and self._project is None:
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
            try:
                match read_wish(text) if text else None:
                    case Registration() as registration:
                        await self._register(registration)
                    case ProjectRegistration() as registration:
                        await self._watch(registration)
                    case None:
                        pass
            except Unavailable:
                return TRY_AGAIN_LATER

    async def _watch(self, registration: ProjectRegistration) -> None:
        """Tell all of a project's tasks to whoever proves himself as for any call; once is enough."""
        if self._project is not None:
            return
        try:
            proven = await run_in_threadpool(admit, self._wiring, registration.proof, self._address)
            await self._open(proven, registration)  # the proof may have ended meanwhile
        except Unavailable:
            raise
        except EaselError as refused:
            self._outbox.put(plain_frame("error", message=refused.message, result=False))

    async def _open(self, proven: Proven, registration: ProjectRegistration) -> None:
        scope = scope_of(proven, self._wiring.operators)
        opening = self._projects.views.opening
        frame, start = await run_in_threadpool(opening, scope, proven.project.name, registration.since)
        self._outbox.put(frame)
        self._project = ProjectFollower(scope, self._outbox, self._turn_out, start, registration.seqs)
        self._projects.follow(self._project)

    async def _register(self, registration: Registration) -> None:
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

    async def _follow(self, registration: Registration) -> None:
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
