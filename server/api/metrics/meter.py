"""What one API process counts of itself: requests, sockets, webhooks that it sent."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from server.domain.webhook import WebhookState

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OUTCOMES: Final = {
    WebhookState.DELIVERED: "delivered",
    WebhookState.PENDING: "postponed",
    WebhookState.FAILED: "given_up",
}


class Meter:
    """The figures of one process, each labelled with its name. Any thread may call."""

    def __init__(self, process: str) -> None:
        disable_created_metrics()  # a switch of the library's: Prometheus reads no `…_created`, and they are many
        self.registry = registry = CollectorRegistry(auto_describe=True)
        own = ("process",)
        self._process = process
        self._requests = Counter(
            "easel_http_requests_total",
            "HTTP requests answered, by route template.",
            (*own, "method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "easel_http_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            (*own, "method", "route"),
            buckets=_BOUNDS,
            registry=registry,
        )
        self._open = Gauge("easel_sockets_open", "Websockets open.", own, registry=registry).labels(process)
        slow = Counter(
            "easel_sockets_closed_slow_total",
            "Websockets closed because their client did not read.",
            own,
            registry=registry,
        )
        self._slow = slow.labels(process)
        self._webhooks = Counter(
            "easel_webhook_attempts_total",
            "Attempts to deliver a webhook, by what came of them.",
            (*own, "outcome"),
            registry=registry,
        )
        for outcome in _OUTCOMES.values():
            self._webhooks.labels(process, outcome)
        rescued = Counter(
            "easel_rescues_total",
            "Tasks taken over from a silent worker by this process.",
            own,
            registry=registry,
        )
        self._rescued = rescued.labels(process)

    def answered(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request. `route` is a template: what stands for its variable parts is no label."""
        known = method if method in _METHODS else "other"
        self._requests.labels(self._process, known, route, status).inc()
        self._seconds.labels(self._process, known, route).observe(seconds)

    def opened(self, more: int) -> None:
        """Count a websocket that opened (1) or closed (-1)."""
        self._open.inc(more)

    def too_slow(self) -> None:
        """Count a websocket that was closed because its client did not read."""
        self._slow.inc()

    def sent(self, state: WebhookState) -> None:
        """Count an attempt to deliver a webhook, by the state it left it in."""
        self._webhooks.labels(self._process, _OUTCOMES[state]).inc()

    def rescued(self, tasks: int) -> None:
        """Count tasks taken over from a silent worker."""
        self._rescued.inc(tasks)
