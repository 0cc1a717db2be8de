"""Requests that may bring files: who brings some is known first, and what nobody kept is gone with the answer."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from models.file_inputs import file_parameters
from server.api.body import Submission, read_submission
from server.api.caller import Call, Caller, call_of
from server.api.forms import Wanted
from server.api.wiring import Wired, Wiring, wiring_of
from server.domain.errors import BadRequest
from server.services.incoming import Incoming

UPLOAD_PART: Final = "file"


async def _upload(request: Request, caller: Caller, wiring: Wired) -> AsyncGenerator[Submission]:
    del caller  # known before a byte of the body is read
    async with _tidied(await _read(request, wiring, frozenset({UPLOAD_PART}))) as submission:
        yield submission


@asynccontextmanager
async def run_call(request: Request, owner: str, model: str) -> AsyncGenerator[Call]:
    """Read a Run; where its model takes files, from a known caller alone.

    Entered by the route itself: as a dependency of FastAPI it would take a tenth of the request's time.
    """
    wiring = wiring_of(request)
    call = call_of(request, wiring, Submission({}))
    card = wiring.catalogue.find(owner, model)
    names = frozenset(parameter.id for parameter in file_parameters(card)) if card else frozenset[str]()
    if names:
        await run_in_threadpool(call.project)
    try:
        received = await _read(request, wiring, names)
    except BadRequest as error:
        yield replace(call, body=error)
        return
    async with _tidied(received) as submission:
        yield replace(call, body=submission)


async def _read(request: Request, wiring: Wiring, names: frozenset[str]) -> Submission:
    def new_file(part: str, name: str) -> Incoming:
        return Incoming(wiring.files, part.removesuffix("[]"), name)

    wanted = Wanted(keep=lambda part: part.removesuffix("[]") in names, new_file=new_file) if names else None
    return await read_submission(request, wiring.pace, wanted)


@asynccontextmanager
async def _tidied(submission: Submission) -> AsyncGenerator[Submission]:
    try:
        yield submission
    finally:
        if submission.files:
            await run_in_threadpool(submission.discard)


UploadBody = Annotated[Submission, Depends(_upload)]
