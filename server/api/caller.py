"""Who is calling: authentication as a dependency, and the identifiers clients send."""

from typing import Annotated

from fastapi import Depends, Request

from server.api.body import Body, Fields
from server.api.wiring import Wired
from server.domain.errors import NotAuthorized, TooManyFailures
from server.domain.project import Project
from server.services.authenticate import Proof, authenticate
from server.services.find import TaskRef
from server.services.projects import hash_key

_IDENTIFIERS = ("tasktoken", "socketaccesstoken", "taskid")


def _caller(request: Request, wiring: Wired) -> Project:
    # As bytes: header values may hold any octets, and comparing text with non-ASCII in it raises.
    sent = {name: value for name, value in request.headers.raw if name.startswith(b"x-")}
    proof = Proof(sent.get(b"x-api-key"), sent.get(b"x-nonce"), sent.get(b"x-signature"))
    try:
        return authenticate(wiring.projects, wiring.secrets, proof)
    except NotAuthorized:
        # Only now: whoever proves himself is let in, however often others have failed from the same address.
        address = request.client.host if request.client else ""
        wait = wiring.throttle.fail(address, hash_key(proof.api_key or b""))
        if wait:
            raise TooManyFailures(wait) from None
        raise


Caller = Annotated[Project, Depends(_caller)]


async def _task_ref(body: Body) -> TaskRef | None:
    return task_ref(body)


def task_ref(fields: Fields) -> TaskRef | None:
    """Return the first identifier that is there under any of its names, as text or number (trap 1)."""
    for name in _IDENTIFIERS:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return TaskRef(value.strip())
        if isinstance(value, int) and not isinstance(value, bool):
            return TaskRef(str(value))
    return None


Ref = Annotated[TaskRef | None, Depends(_task_ref)]
