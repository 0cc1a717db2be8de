"""Submit a task: check its parameters against the model's card and write it to the queue."""

import logging
import secrets
import string
import uuid
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from models.catalogue import Catalogue
from models.parameters import ParameterError, check
from server.domain.errors import BadRequest, UnknownModel
from server.domain.task import NewTask, Task
from server.domain.types import JsonValue, ProjectId
from server.ports import TaskStore, Wakeups
from server.services.run_files import Arrivals, gather
from server.services.run_key import run_key
from server.services.screen import Screen, screen

_log = logging.getLogger(__name__)

_TOKEN_CHARS: Final = string.ascii_letters + string.digits
_TOKEN_LENGTH: Final = 30
_MAX_URL: Final = 2048


def submit(  # noqa: PLR0913 each is a port or a part of the request
    tasks: TaskStore,
    wakeups: Wakeups,
    catalogue: Catalogue,
    by: Screen,
    *,
    project_id: ProjectId,
    owner: str,
    name: str,
    parameters: Mapping[str, JsonValue],
    base_url: str,
    arrivals: Arrivals | None = None,
    idempotency_key: str = "",
) -> Task:
    """Write the task, with the files that came with it; a repeated Idempotency-Key gives back the task it has made.

    Raises UnknownModel, BadRequest (a wrong parameter), Refused (its prompt), QueueFull, or KeyReused. A refused Run is
    not remembered.
    """
    card = catalogue.find(owner, name)
    if card is None:
        raise UnknownModel
    try:
        values = check(card, parameters)
    except ParameterError as error:
        raise BadRequest(str(error)) from error
    screen(by, project_id, card, values)
    files = gather(card, parameters, arrivals, tasks, base_url)
    new = NewTask(
        project_id=project_id,
        token="".join(secrets.choice(_TOKEN_CHARS) for _ in range(_TOKEN_LENGTH)),
        uuid=str(uuid.uuid4()),
        model=card.slug,
        parameters=files.echo(parameters),
        values={**values, **files.urls},
        callback_url=_callback_url(parameters.get("callbackUrl")),
        base_url=base_url,
        uploads=tuple(file.upload for file in files.incoming),
        inputs=tuple(files.inputs),
        cps=card.cps,
        run_key=run_key(idempotency_key, card.slug, {**parameters, **files.prints()}),
    )
    with files.kept():
        task = tasks.submit(new)
    wakeups.wake()
    return task


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
