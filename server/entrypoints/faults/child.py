"""An engine with crash points around it. Apart from the ports: a child has no use for SQL."""

from collections.abc import Callable, Sequence

from pipelines.contract import Engine, EngineEvent, EngineFacts, GenerationRequest, SampleDone, Stepped, Vitals
from server.entrypoints.faults.points import Faults, Point


class FaultyEngine:
    """An engine that comes to points while it loads and draws."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._engine = engine
        self._faults = faults

    def load(self, report: Callable[[str, float], None]) -> str:
        """See `Engine.load`."""
        self._faults.reach(Point.LOADING)
        return self._engine.load(report)

    def admit(self, request: GenerationRequest) -> None:
        """See `Engine.admit`."""
        self._engine.admit(request)

    def withdraw(self, generation_id: str) -> None:
        """See `Engine.withdraw`."""
        self._engine.withdraw(generation_id)

    def watch(self, generation_id: str, interval: float | None) -> None:
        """See `Engine.watch`."""
        self._engine.watch(generation_id, interval)

    @property
    def facts(self) -> EngineFacts:
        """See `Engine.facts`."""
        return self._engine.facts

    @property
    def vitals(self) -> Vitals:
        """See `Engine.vitals`."""
        return self._engine.vitals

    @property
    def capacity(self) -> int:
        """See `Engine.capacity`."""
        return self._engine.capacity

    @property
    def busy(self) -> bool:
        """See `Engine.busy`."""
        return self._engine.busy

    def step(self) -> Sequence[EngineEvent]:
        """See `Engine.step`."""
        events = self._engine.step()
        for event in events:
            match event:
                case Stepped():
                    self._faults.reach(Point.STEP)
                case SampleDone():
                    self._faults.reach(Point.DECODED)
                case _:
                    pass
        return events
