"""A refusal by the prompt gate, as the audit keeps it: who, when and by which rules; never the text."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from server.domain.types import ProjectId, TaskId


class Stage(StrEnum):
    """Where the gate stood."""

    RUN = "run"
    PLAN = "plan"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefusal:
    """A refusal to write down. `task_id` is None where no task came to be."""

    project_id: ProjectId
    task_id: TaskId | None
    stage: Stage
    gate_version: str
    rules: tuple[str, ...]
    prompt_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(NewRefusal):
    """A refusal written down; `at` is unix seconds on the store's clock."""

    id: int
    at: float


@dataclass(frozen=True, slots=True)
class Strikes:
    """How many refusals a project had lately, and how many seconds ago the last one was (None: none)."""

    count: int
    last_ago: float | None


def sha256_of(prompt: str) -> str:
    """Return the SHA-256 (hex) of a prompt's UTF-8."""
    return hashlib.sha256(prompt.encode()).hexdigest()
