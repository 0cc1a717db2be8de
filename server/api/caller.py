"""Who is calling, and what for: the call as a dependency, authentication, and the identifiers clients send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from server.api.body import Fields, Submission, read_submission
from server.api.lane import Lane
from server.api.wiring import Wired, Wiring, wiring_of
from server.domain.errors import BadRequest, NotAuthorized, TooManyFailures
from server.domain.project import Project
from server.services.authenticate import Proof, Proven, authenticate
from server.services.find import TaskRef
from server.services.projects import hash_key

_T = TypeVar("_T")

_IDENTIFIERS = ("tasktoken", "socketaccesstoken", "taskid")


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came; of its body, what could be read or why it couldn't.

    Nothing here has waited for the database: a route asks it all in its own thread, and first of all `project`, for
    whoever can't show a key is told nothing else.
    """

    wiring: Wiring
    proof: Proof
    address: str
    body: Submission | BadRequest
    lane: Lane

    def project(self) -> Project:
        """Return the caller. Raises NotAuthorized, or TooManyFailures."""
        return admit(self.wiring, self.proof, self.address).project

    async def answer(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, which may wait for the database. Raises Unavailable when too many wait."""
        return await self.lane.run(work)

    @property
    def submission(self) -> Submission:
        """The body. Raises BadRequest."""
        if isinstance(self.body, BadRequest):
            raise self.body
        return self.body

    @property
    def fields(self) -> Fields:
        """The body's fields. Raises BadRequest."""
        return self.submission.fields

    @property
    def ref(self) -> TaskRef | None:
        """The task that is meant. Raises BadRequest."""
        return task_ref(self.fields)


async def _call(request: Request) -> Call:
    wiring = wiring_of(request)
    try:
        body = await read_submission(request, wiring.pace)
    except BadRequest as error:
        return call_of(request, wiring, error)
    return call_of(request, wiring, body)


Called = Annotated[Call, Depends(_call)]


def call_of(request: Request, wiring: Wiring, body: Submission | BadRequest) -> Call:
    """Return the call of a request whose body has been read."""
    return Call(wiring, _proof(request), _address(request), body, request.app.state.lane)


def _caller(request: Request, wiring: Wired) -> Project:
    return admit(wiring, _proof(request), _address(request)).project


Caller = Annotated[Project, Depends(_caller)]
"""The caller, known before the body is read; on a thread of its own, which costs."""


def admit(wiring: Wiring, proof: Proof, address: str) -> Proven:
    """Return whom the proof is of. Raises NotAuthorized, or TooManyFailures."""
    try:
        return authenticate(wiring.projects, wiring.secrets, proof)
    except NotAuthorized:
        # Only now: whoever proves himself is let in, however often others have failed from the same address.
        wait = wiring.throttle.fail(address, hash_key(proof.api_key or b""))
        if wait:
            raise TooManyFailures(wait) from None
        raise


def _proof(request: Request) -> Proof:
    # As bytes: header values may hold any octets, and comparing text with non-ASCII in it raises.
    sent = {name: value for name, value in request.headers.raw if name.startswith(b"x-")}
    return Proof(sent.get(b"x-api-key"), sent.get(b"x-nonce"), sent.get(b"x-signature"))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def task_ref(fields: Fields) -> TaskRef | None:
    """Return the first identifier that is there under any of its names, as text or number (trap 1)."""
    for name in _IDENTIFIERS:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return TaskRef(value.strip())
        if isinstance(value, int) and not isinstance(value, bool):
            return TaskRef(str(value))
    return None
