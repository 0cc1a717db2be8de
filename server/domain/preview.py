"""A picture on its way, as small as a websocket likes it."""

from dataclasses import dataclass

from server.domain.types import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPreview:
    """What sample `sample` looks like after `step` of `total_steps` (of all samples): a JPEG of width × height."""

    sample: int
    step: int
    total_steps: int
    width: int
    height: int
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(NewPreview):
    """A task's latest preview. `version` rises with each, across attempts."""

    task_id: TaskId
    attempt: int
    version: int
