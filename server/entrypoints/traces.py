"""Where traces go, by the settings."""

from importlib.util import find_spec
from typing import Final

from server.adapters.sql.engines import Database
from server.adapters.sql.traces import SqlTraceStore
from server.entrypoints.packages import Find
from server.entrypoints.trouble import Trouble
from server.services.tell_traces import Traces
from server.settings import Settings

_NEEDED: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def make_traces(settings: Settings, database: Database, find: Find = find_spec) -> Traces | None:
    """Return who is told of tasks' traces; None where nobody is. Raises Trouble where the extra is missing."""
    if not settings.otlp_endpoint:
        return None
    for package in _NEEDED:
        if not _is_there(package, find):
            raise Trouble(
                f"EASEL_OTLP_ENDPOINT is set, and {package} can't be found: traces need the otel extra; "
                "install it with: pip install 'easel[otel]'"
            )
    from server.adapters.otlp import OtlpSink  # noqa: PLC0415 its library is there only with the extra

    return Traces(SqlTraceStore(database), OtlpSink(settings.otlp_endpoint))


def _is_there(package: str, find: Find) -> bool:
    try:
        return find(package) is not None
    except ModuleNotFoundError:  # of a package around it
        return False
