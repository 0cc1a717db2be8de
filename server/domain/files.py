"""Files that clients send, the folders they lie in, and why a file is gone."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.types import FileId, FolderId, ProjectId, TaskId

ROOT: Final = FolderId(0)
"""The folder that every project has from the start; it has no row."""

MAX_FILE: Final = 100 * 1024 * 1024
"""Bytes: no file that a client sends, or names by its URL, may be larger."""
MAX_FILES: Final = 20
"""How many files one request may carry."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def is_key(text: str) -> bool:
    """Whether a `FileStore` takes the text as a key: parts of safe characters, none of them hidden, between slashes."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of a project. Folders order what a person sees; no path is made of them."""

    id: FolderId
    name: str
    parent_id: FolderId
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """A file that has been received: `key` is where the `FileStore` has it, `access_key` opens its public URL."""

    name: str
    content_type: str
    size: int
    sha256: str
    access_key: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(NewUpload):
    """A file that a client sent, as read back from its row."""

    id: FileId
    project_id: ProjectId
    folder_id: FolderId
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """A file of this server that a task reads: what stands under `url` among its values lies at `key`."""

    parameter: str
    url: str
    key: str


class Reason(StrEnum):
    """Why files were removed."""

    CALLER = "caller"
    AGE = "age"
    QUOTA = "quota"


@dataclass(frozen=True, slots=True)
class Removed:
    """What one removal took: a task's outputs, or (where `task_id` is None) an upload."""

    task_id: TaskId | None
    files: int
    size: int


def task_uuid_of(key: str) -> str | None:
    """Return the uuid of the task whose output has this key; None for anything but an output's key."""
    parts = key.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "outputs" else None  # noqa: PLR2004 outputs/{task}/{name}
