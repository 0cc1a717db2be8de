"""How the story of a run ends."""

from typing import Final

from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import SUCCESS, Ending
from server.domain.writes import Move

AFTER_END: Final = (Move(TaskStatus.POSTPROCESS_START), Move(TaskStatus.POSTPROCESS_END))
"""What is left to tell of a task whose outcome is written."""


def last_words(ending: Ending, log: str) -> tuple[Move, ...]:
    """Return the moves that end a task; before END come the whole log, and for a failed run what went wrong."""
    events = [NewEvent(EventType.OUTPUT_FULL, {"raw": log})]
    if ending.pexit != SUCCESS:
        events.append(NewEvent(EventType.ERROR_FULL, {"raw": ending.message}))
    return (Move(TaskStatus.END, tuple(events), ending), *AFTER_END)
