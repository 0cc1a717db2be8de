"""What every API process tells alike, because it stands in the database: queues, outcomes, workers, webhooks owed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.api.metrics.workers import worker_families
from server.api.wiring import Wiring
from server.domain.errors import Unavailable
from server.domain.overview import Outcome, QueueDepth
from server.domain.runs import Runs
from server.domain.webhook import Backlog
from server.domain.worker import Worker, WorkerState
from server.services.fresh import Fresh

FORGET_SECONDS: Final = 3600.0
"""How long a worker that went silent without leaving is still told of."""

_FRESH_SECONDS: Final = 2.0
_MISSED_BEATS: Final = 3
_SILENT: Final = "silent"


class House(Collector):
    """Reads when it is asked, and no oftener than every few seconds."""

    def __init__(self, wiring: Wiring) -> None:
        monotonic = wiring.clock.monotonic
        self._models = [card.slug for card in wiring.catalogue]
        self._runs = wiring.statistics.runs
        self._silent_after = _MISSED_BEATS * wiring.heartbeat_seconds
        self._queues = Fresh(wiring.overview.queues, monotonic, _FRESH_SECONDS)
        self._workers = Fresh(lambda: wiring.registry.alive(FORGET_SECONDS), monotonic, _FRESH_SECONDS)
        self._backlog = Fresh(wiring.webhooks.backlog, monotonic, _FRESH_SECONDS)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Tell nothing when registered: the database may be away."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield what the database knows; nothing but that it is away, where it is."""
        up = GaugeMetricFamily("easel_database_up", "Whether the database answered.")
        try:
            queues, runs, workers, backlog = self._queues(), self._runs(), self._workers(), self._backlog()
        except Unavailable:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from _queue_families(queues.depths, self._models)
        yield from _run_families({**dict.fromkeys(self._models, Runs()), **runs})
        yield _states(workers, self._silent_after)
        yield from worker_families(workers)
        yield from _webhook_families(backlog)


def _queue_families(depths: Iterable[QueueDepth], models: Iterable[str]) -> Iterator[GaugeMetricFamily]:
    # Known models are told of before they are first asked for: a rise from nothing shows only where there was a 0.
    none = dict.fromkeys(models, 0)
    queued, running, oldest = Counter(none), Counter(none), dict.fromkeys(none, 0.0)
    for depth in depths:
        queued[depth.model] += depth.queued
        running[depth.model] += depth.running
        oldest[depth.model] = max(oldest.get(depth.model, 0.0), depth.oldest)
    tables: tuple[tuple[str, str, Mapping[str, float]], ...] = (
        ("easel_tasks_queued", "Tasks that wait in the queue.", queued),
        ("easel_tasks_running", "Tasks that a worker holds.", running),
        ("easel_queue_oldest_seconds", "How long the task has waited that was submitted first.", oldest),
    )
    for name, documentation, values in tables:
        family = GaugeMetricFamily(name, documentation, labels=("model",))
        for model, value in values.items():
            family.add_metric((model,), value)
        yield family


def _run_families(runs: Mapping[str, Runs]) -> Iterator[CounterMetricFamily]:
    submitted = CounterMetricFamily("easel_tasks_submitted", "Tasks submitted.", labels=("model",))
    ended = CounterMetricFamily("easel_tasks_ended", "Tasks that are over, by outcome.", labels=("model", "outcome"))
    for model, run in runs.items():
        submitted.add_metric((model,), run.total)
        for outcome in Outcome:
            ended.add_metric((model, outcome.value), getattr(run, outcome.value))
    yield submitted
    yield ended


def _states(workers: Iterable[Worker], silent_after: float) -> GaugeMetricFamily:
    counted = Counter(_SILENT if one.silent > silent_after else one.state.value for one in workers)
    family = GaugeMetricFamily("easel_workers", "Workers by state; silent: no heartbeat lately.", labels=("state",))
    for state in (*(state.value for state in WorkerState), _SILENT):
        family.add_metric((state,), counted[state])
    return family


def _webhook_families(backlog: Backlog) -> Iterator[GaugeMetricFamily]:
    waiting = GaugeMetricFamily("easel_webhooks_waiting", "Webhooks that are still to be sent.")
    overdue = GaugeMetricFamily("easel_webhooks_overdue_seconds", "For how long the first of them is due.")
    given_up = GaugeMetricFamily("easel_webhooks_given_up", "Webhooks that nobody took: see easel webhooks list.")
    for family, value in ((waiting, backlog.waiting), (overdue, backlog.overdue), (given_up, backlog.given_up)):
        family.add_metric((), value)
        yield family
