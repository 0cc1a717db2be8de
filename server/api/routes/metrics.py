"""GET /metrics for Prometheus: with the bearer token, or from this machine where none is set."""

import secrets
from ipaddress import ip_address

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from server.api.wiring import Wired, Wiring

router = APIRouter()

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

_NO_TOKEN = "Metrics need the bearer token that EASEL_METRICS_TOKEN holds.\n"  # noqa: S105 a sentence
_NOT_HERE = "Metrics are told on this machine alone. Set EASEL_METRICS_TOKEN, and send it as a bearer token.\n"


@router.get("/metrics")
def metrics(request: Request, wiring: Wired) -> Response:
    """Return the figures of this process and of the whole house, in Prometheus's text format."""
    if wiring.metrics_token:
        if not _is_bearer(request, wiring):
            return PlainTextResponse(_NO_TOKEN, 401, headers={"WWW-Authenticate": "Bearer"})
    elif not _is_local(request):
        return PlainTextResponse(_NOT_HERE, 403)
    registry: CollectorRegistry = request.app.state.meter.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _is_bearer(request: Request, wiring: Wiring) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), wiring.metrics_token.encode())


def _is_local(request: Request) -> bool:
    # A proxy on this machine asks for somebody: for whom, only a trusted one's word would say.
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:  # a name that a proxy gave
        return False
