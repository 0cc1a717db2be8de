"""What samples are about: a model, the values of its form, and a task."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from models.card import Value

KEY: Final = "your-api-key"
SECRET: Final = "your-api-secret"  # noqa: S105  what people put their own in place of
TOKEN: Final = "your-task-token"  # noqa: S105  the same
FOLDER: Final = "your-folder-id"
PICTURE: Final = "picture.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`base` is where clients reach the server; `token` is of the task that is asked for, followed and stopped."""

    base: str
    slug: str
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    token: str = TOKEN

    @property
    def api(self) -> str:
        """The address of the API."""
        return f"{self.base}/v1"

    @property
    def socket(self) -> str:
        """The address of the websocket."""
        return f"ws{self.base.removeprefix('http')}/v1"


@dataclass(frozen=True, slots=True)
class JsonCall:
    """A POST under /v1 with a JSON body."""

    path: str
    body: Mapping[str, Value]

    @property
    def text(self) -> str:
        """The body; as it holds texts and numbers alone, it is also a literal of Python and JavaScript."""
        return json.dumps(dict(self.body), ensure_ascii=False, indent=2)


def calls_of(subject: Subject) -> Iterator[tuple[str, JsonCall]]:
    """Yield the calls that are a JSON body and nothing else, by topic."""
    task = {"tasktoken": subject.token}
    yield "run", JsonCall(f"Run/{subject.slug}", subject.values)
    yield "detail", JsonCall("Task/Detail", task)
    yield "kill", JsonCall("Task/Kill", task)
    yield "cancel", JsonCall("Task/Cancel", task)
    yield "folder", JsonCall("File/FolderCreate", {"name": "my-folder"})
