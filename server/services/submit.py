"""Submit a task: check its parameters against the model's card and write it to the queue."""

import logging
import secrets
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from models.card import Card, Value
from models.catalogue import Catalogue
from models.parameters import ParameterError, check
from models.work import WorkError, check_work
from server.domain.errors import BadRequest, UnknownModel
from server.domain.refusal import Stage
from server.domain.task import NewTask, Task
from server.domain.types import JsonValue, ProjectId
from server.ports import TaskStore, Wakeups
from server.services.run_files import Arrivals, RunFiles, gather
from server.services.run_key import run_key
from server.services.screen import Screen, screen

_log = logging.getLogger(__name__)

_TOKEN_CHARS: Final = string.ascii_letters + string.digits
_TOKEN_LENGTH: Final = 30
_MAX_URL: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a Run asks for: `parameters` as sent; `base_url` is where its files will be fetched."""

    project_id: ProjectId
    owner: str
    name: str
    parameters: Mapping[str, JsonValue]
    base_url: str
    arrivals: Arrivals | None = None
    idempotency_key: str = ""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A Run that may be queued: its card, its checked values, its files."""

    card: Card
    values: Mapping[str, Value]
    files: RunFiles


def submit(tasks: TaskStore, wakeups: Wakeups, run: Submission, accepted: Accepted) -> Task:
    """Write the task, with the files that came with it; a repeated Idempotency-Key gives back the task it has made.

    Raises QueueFull or KeyReused. A refused Run is not remembered.
    """
    with accepted.files.kept():
        task = tasks.submit(_new_task(run, accepted.card, accepted.values, accepted.files))
    wakeups.wake()
    return task


def accept(
    tasks: TaskStore,
    catalogue: Catalogue,
    by: Screen,
    run: Submission,
    *,
    work_limit: int = 0,
    stage: Stage = Stage.RUN,
) -> Accepted:
    """Check all that a Run is checked for before it is written; the `stage` says whether it is one, or planned.

    `work_limit` is in millions of pixel steps, 0 for none. Raises UnknownModel, BadRequest (a wrong parameter, or too
    much work), or Refused (its prompt).
    """
    card = catalogue.find(run.owner, run.name)
    if card is None:
        raise UnknownModel
    try:
        values = check(card, run.parameters)
        check_work(values, work_limit)
    except (ParameterError, WorkError) as error:
        raise BadRequest(str(error)) from error
    screen(by, run.project_id, card, values, stage)
    return Accepted(card, values, gather(card, run.parameters, run.arrivals, tasks, run.base_url))


def _new_task(run: Submission, card: Card, values: Mapping[str, JsonValue], files: RunFiles) -> NewTask:
    return NewTask(
        project_id=run.project_id,
        token=_new_token(),
        uuid=str(uuid.uuid4()),
        model=card.slug,
        parameters=files.echo(run.parameters),
        values={**values, **files.urls},
        callback_url=_callback_url(run.parameters.get("callbackUrl")),
        base_url=run.base_url,
        uploads=tuple(file.upload for file in files.incoming),
        inputs=tuple(files.inputs),
        cps=card.cps,
        traceparent=run.traceparent,
        run_key=run_key(run.idempotency_key, card.slug, {**run.parameters, **files.prints()}),
    )


def _new_token() -> str:
    """Return 30 characters, 178 bits: digits of one large number, as 30 draws of a character take a Run's twentieth."""
    number = secrets.randbelow(len(_TOKEN_CHARS) ** _TOKEN_LENGTH)
    characters: list[str] = []
    for _ in range(_TOKEN_LENGTH):
        number, digit = divmod(number, len(_TOKEN_CHARS))
        characters.append(_TOKEN_CHARS[digit])
    return "".join(characters)


def _callback_url(value: JsonValue) -> str:
    """Return the URL, or "" for what is none: pasted placeholders must not fail a Run (trap 15)."""
    if not isinstance(value, str) or not value.strip():
        return ""
    url = value.strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        fits = False
    if not fits or len(url) > _MAX_URL or any(char.isspace() for char in url):
        _log.info("callbackUrl is no http(s) URL and is ignored")
        return ""
    return url
