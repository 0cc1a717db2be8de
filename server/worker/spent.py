"""Where a run's time goes while the engine has it."""

from collections.abc import Callable, Mapping

from pipelines.contract import Phase, SampleDone, Started, Stepped


class Spent:
    """Seconds of each phase: what lies between two events of a generation belongs to the phase that the second ends.

    Time is the task's own: steps that the device gives to others meanwhile are within it.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self._seconds: dict[Phase, float] = {}

    @property
    def seconds(self) -> Mapping[Phase, float]:
        """What is known so far; empty until the first step is near."""
        return self._seconds

    def admitted(self) -> None:
        """The engine is asked for it, and time begins."""
        self._since = self._monotonic()
        self._seconds = {}

    def heard(self, event: object) -> None:
        """The engine said something of it."""
        match event:
            case Started():
                self._on(Phase.ENCODE)
            case Stepped(phase=phase):
                self._on(phase)
            case SampleDone():
                self._on(Phase.DECODE)
            case _:
                pass

    def _on(self, phase: Phase) -> None:
        now = self._monotonic()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._since
        self._since = now
