"""The events that tell how a run ended."""

from server.domain.events import EventType, NewEvent
from server.domain.task import SUCCESS, Ending


def ending_events(ending: Ending, log: str) -> list[NewEvent]:
    """Return the events that come before END: the whole log, and for a failed run what went wrong."""
    events = [NewEvent(EventType.OUTPUT_FULL, {"raw": log})]
    if ending.pexit != SUCCESS:
        events.append(NewEvent(EventType.ERROR_FULL, {"raw": ending.message}))
    return events
