"""Requests that bring files: authenticated first, then read, and what nobody kept is gone when they are answered."""

from collections.abc import AsyncGenerator
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from models.file_inputs import file_parameters
from server.api.body import Submission, read_submission
from server.api.caller import Caller
from server.api.forms import Wanted
from server.api.wiring import Wired, Wiring
from server.services.incoming import Incoming

UPLOAD_PART: Final = "file"


async def _upload(request: Request, caller: Caller, wiring: Wired) -> AsyncGenerator[Submission]:
    del caller  # known before a byte of the body is read
    async for submission in _received(request, wiring, frozenset({UPLOAD_PART})):
        yield submission


async def _run(owner: str, model: str, request: Request, caller: Caller, wiring: Wired) -> AsyncGenerator[Submission]:
    del caller
    card = wiring.catalogue.find(owner, model)
    names = frozenset(parameter.id for parameter in file_parameters(card)) if card else frozenset[str]()
    async for submission in _received(request, wiring, names):
        yield submission


async def _received(request: Request, wiring: Wiring, names: frozenset[str]) -> AsyncGenerator[Submission]:
    def new_file(part: str, name: str) -> Incoming:
        return Incoming(wiring.files, part.removesuffix("[]"), name)

    wanted = Wanted(keep=lambda part: part.removesuffix("[]") in names, new_file=new_file) if names else None
    submission = await read_submission(request, wiring.pace, wanted)
    try:
        yield submission
    finally:
        if submission.files:
            await run_in_threadpool(submission.discard)


UploadBody = Annotated[Submission, Depends(_upload)]
RunBody = Annotated[Submission, Depends(_run)]
