"""Which runs the engine gets, and how many a worker takes in hand. Pure decisions about runs."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from pipelines.contract import GenerationRequest
from server.domain.types import ProjectId
from server.worker.run import Run


class Line:
    """Runs that are prepared and wait for the engine, in order.

    A run with which an engine process has died before is a suspect, and is drawn alone. When a process dies with
    several in flight, nobody knows whose fault it was, so a crash counts for each of them; but only once, as none of
    them shares the next one. What dies alone was at fault itself.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, GenerationRequest] = {}

    def join(self, run: Run, request: GenerationRequest) -> None:
        """Put a run at the end; its project's runs divide one share of the device."""
        self._waiting[run.generation_id] = replace(request, share=str(run.task.project_id))

    def next(self, runs: Collection[Run]) -> tuple[Run, GenerationRequest] | None:
        """Take the next run that the engine may get beside what it draws of `runs`; forget those that have ended."""
        by_id = {run.generation_id: run for run in runs if not run.ending}
        self._waiting = {each: request for each, request in self._waiting.items() if each in by_id}
        drawing = [run for run in runs if not run.engine_done]
        for generation_id, request in self._waiting.items():
            run = by_id[generation_id]
            if any(each.suspect for each in drawing) or (drawing and run.suspect):
                return None
            del self._waiting[generation_id]
            return run, request
        return None


def has_room(runs: Collection[Run], capacity: int) -> bool:
    """Whether one more may be taken in hand: not beside one that is to be drawn alone."""
    return len(runs) < capacity and not any(run.suspect for run in runs)


def crowding(runs: Collection[Run], capacity: int) -> frozenset[ProjectId]:
    """Return the projects that have their part of the places: a quarter is kept free for others."""
    held = Counter(run.task.project_id for run in runs)
    return frozenset(project for project, count in held.items() if count >= capacity - capacity // 4)
