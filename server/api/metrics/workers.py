"""What workers say of themselves in their rows, as Prometheus has it. A worker that restarts is another worker."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from server.domain.report import BOUNDS, Spread
from server.domain.worker import Worker

_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_Named: TypeAlias = Mapping[str, tuple[str, ...]]

_COUNTERS: Final[Sequence[tuple[str, str, tuple[str, ...], _Named]]] = (
    ("easel_claims", "Tasks claimed.", (), {"claims": ()}),
    ("easel_pictures", "Pictures drawn.", (), {"pictures": ()}),
    ("easel_steps", "Steps drawn.", ("expert",), {f"steps.{it}": (it,) for it in ("base", "refiner")}),
    (
        "easel_requeues",
        "Tasks given back to the queue, by reason.",
        ("reason",),
        {f"requeues.{it}": (it,) for it in ("crash", "drain", "inputs", "neighbour")},
    ),
    ("easel_engine_crashes", "Engine processes that died unasked.", (), {"crashes": ()}),
    ("easel_forwards", "UNet forwards.", (), {"forwards": ()}),
    ("easel_forward_places", "Places for samples in these forwards.", (), {"forward_places": ()}),
    ("easel_forward_samples", "Samples in these places.", (), {"forward_samples": ()}),
    (
        "easel_cache_requests",
        "Requests to the engine's caches.",
        ("cache", "result"),
        {f"cache.{cache}.{it}": (cache, it) for cache in ("embedding", "lora") for it in ("hit", "miss")},
    ),
)
"""Name, documentation, labels beside the worker's, and the report's counts with the values of those labels."""

_LEVELS: Final = (
    ("easel_worker_tasks", "Tasks in hand.", "in_flight"),
    ("easel_worker_capacity", "Tasks that may be in hand at once.", "capacity"),
    ("easel_worker_device_memory_bytes", "Memory of the device in use.", "memory_used"),
    ("easel_worker_device_memory_total_bytes", "Memory of the device.", "memory_total"),
    ("easel_worker_host_memory_bytes", "Memory of the host that the engine process holds.", "host_memory"),
)

_PHASES: Final = ("queue", "encode", "base", "refiner", "decode", "total")
_MEANS: Final = {
    "step boundary": "step_boundary",
    "SIGTERM": "sigterm",
    "SIGKILL": "sigkill",
    "process death": "process_death",
}
_SPREADS: Final = (
    ("easel_phase_seconds", "Seconds of a task by phase; total: from submission.", "phase", {it: it for it in _PHASES}),
    (
        "easel_kill_seconds",
        "Seconds from a kill until the device was free.",
        "means",
        {f"kill.{means}": label for means, label in _MEANS.items()},
    ),
)


def worker_families(workers: Sequence[Worker]) -> Iterator[_Family]:
    """Yield what these workers have reported; of an older release's only that they are there."""
    yield from _presence(workers)
    for name, documentation, labels, counts in _COUNTERS:
        family = CounterMetricFamily(name, documentation, labels=("worker", *labels))
        for worker, value, values in _found(workers, counts):
            family.add_metric((worker.id, *values), value)
        yield family
    yield from _levels(workers)
    yield from _histograms(workers)


def _levels(workers: Iterable[Worker]) -> Iterator[_Family]:
    for name, documentation, level in _LEVELS:
        family = GaugeMetricFamily(name, documentation, labels=("worker",))
        for worker in workers:
            if level in worker.report.levels:
                family.add_metric((worker.id,), worker.report.levels[level])
        yield family


def _histograms(workers: Iterable[Worker]) -> Iterator[_Family]:
    for name, documentation, label, spreads in _SPREADS:
        family = HistogramMetricFamily(name, documentation, labels=("worker", label))
        for worker in workers:
            for key in sorted(spreads.keys() & worker.report.spreads.keys()):
                buckets, total = _histogram(worker.report.spreads[key])
                family.add_metric((worker.id, spreads[key]), buckets, total)
        yield family


def _presence(workers: Iterable[Worker]) -> Iterator[_Family]:
    labels = ("worker", "host", "engine", "device")
    info = GaugeMetricFamily("easel_worker_info", "Who a worker is.", labels=labels)
    age = GaugeMetricFamily("easel_worker_heartbeat_age_seconds", "Since its last heartbeat.", labels=("worker",))
    for worker in workers:
        info.add_metric((worker.id, worker.host, worker.engine, worker.device), 1)
        age.add_metric((worker.id,), worker.silent)
    yield info
    yield age


def _found(workers: Iterable[Worker], counts: _Named) -> Iterator[tuple[Worker, float, tuple[str, ...]]]:
    """Yield each worker's counts. What it has not counted yet is 0, so that its first time shows as an increase."""
    for worker in workers:
        if worker.report.levels:
            for key, values in counts.items():
                yield worker, worker.report.counts.get(key, 0.0), values


def _histogram(spread: Spread) -> tuple[list[tuple[str, float]], float]:
    ends = [*(str(bound) for bound in BOUNDS), "+Inf"]
    return list(zip(ends, map(float, accumulate(spread.counts)), strict=True)), spread.total
