"""The life of a task: which status may follow which. This table is the law; every SQL guard is derived from it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class TaskStatus(StrEnum):
    """Where a task stands. The values are Wiro's words."""

    QUEUE = "task_queue"
    ACCEPT = "task_accept"
    PREPROCESS_START = "task_preprocess_start"
    PREPROCESS_END = "task_preprocess_end"
    ASSIGN = "task_assign"
    START = "task_start"
    END = "task_end"
    POSTPROCESS_START = "task_postprocess_start"
    POSTPROCESS_END = "task_postprocess_end"
    CANCEL = "task_cancel"


_S = TaskStatus

# A running task may be handed back to the queue (its worker died or drains), fail (straight to END) or be killed.
# From END on its outcome is visible to clients, so it only goes forward: no requeue, no kill.
_OUT_OF_A_RUN: Final = frozenset({_S.QUEUE, _S.END, _S.CANCEL})

TRANSITIONS: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = MappingProxyType(
    {
        _S.QUEUE: frozenset({_S.ACCEPT, _S.CANCEL}),
        _S.ACCEPT: _OUT_OF_A_RUN | {_S.PREPROCESS_START},
        _S.PREPROCESS_START: _OUT_OF_A_RUN | {_S.PREPROCESS_END},
        _S.PREPROCESS_END: _OUT_OF_A_RUN | {_S.ASSIGN},
        _S.ASSIGN: _OUT_OF_A_RUN | {_S.START},
        _S.START: _OUT_OF_A_RUN,
        _S.END: frozenset({_S.POSTPROCESS_START}),
        _S.POSTPROCESS_START: frozenset({_S.POSTPROCESS_END}),
        _S.POSTPROCESS_END: frozenset(),
        _S.CANCEL: frozenset(),
    }
)

TERMINAL: Final = frozenset(status for status, after in TRANSITIONS.items() if not after)
"""Nothing follows these."""

RUNNING: Final = frozenset(status for status, after in TRANSITIONS.items() if _S.QUEUE in after)
"""A worker holds the task and may still lose it: requeue and kill are possible."""

FINISHING: Final = frozenset({_S.END, _S.POSTPROCESS_START})
"""The outcome is visible, the story not yet told to its end."""

UNDRAWN: Final = RUNNING | {_S.QUEUE}
"""The pictures are still to come: there is something to look forward to."""

LEASED: Final = RUNNING | FINISHING
"""A worker must hold a lease; when it runs out, the task is rescued."""


def sources_of(to: TaskStatus) -> frozenset[TaskStatus]:
    """Return the statuses from which `to` may be reached: the guard of every UPDATE."""
    return frozenset(status for status, after in TRANSITIONS.items() if to in after)
