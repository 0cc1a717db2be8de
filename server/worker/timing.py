"""How long things of a worker last."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds: how long things last and how often they are looked at.

    `stall` is how long an engine may draw without a word before its process is ended, `load` how long it may load
    without one, `term` how long SIGTERM has before SIGKILL; `retry` is the pause after a write that found the
    database or the files away, `restarts` the pauses before the next engine child, by how many have died since one
    last finished something. `patience` is how long, for each task in hand, another must have waited in the queue before
    it is taken too, where other workers might take it.
    """

    lease: float = 30.0
    heartbeat: float = 5.0
    drain: float = 300.0
    poll: float = 1.0
    watch: float = 0.25
    stop_grace: float = 5.0
    retry: float = 1.0
    stall: float = 600.0
    load: float = 600.0
    term: float = 3.0
    patience: float = 1.0
    restarts: tuple[float, ...] = (0.0, 1.0, 5.0, 30.0)
