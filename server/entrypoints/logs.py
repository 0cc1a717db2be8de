"""What the processes say, on standard error: a line a record, for people or for programs."""

import json
import logging
import re
import time
from typing import Final

from server.domain.log_context import what_about
from server.settings import Settings

_TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_NEVER_BELOW_INFO: Final = ("uvicorn", "websockets", "httpcore2", "PIL", "python_multipart", "asyncio")
"""Libraries whose debugging tells headers and messages, keys and tokens among them."""
_NEVER_BELOW_WARNING: Final = ("httpx2", "alembic")
"""One line per request of its own client says nothing."""

_URL: Final = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s?#'\"<>]*)(\?[^\s'\"<>]*)?")


def set_up_logging(settings: Settings) -> None:
    """Log in one line each: time, level, who, what, and what about."""
    handler = logging.StreamHandler()
    handler.addFilter(_know_what_about)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else _TextFormatter(_TEXT, "%H:%M:%S"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    for names, level in ((_NEVER_BELOW_INFO, logging.INFO), (_NEVER_BELOW_WARNING, logging.WARNING)):
        for name in names:
            logging.getLogger(name).setLevel(max(level, logging.getLogger().level))


def _know_what_about(record: logging.LogRecord) -> bool:
    # Here and not in the formatter: a handler that queues records would format them elsewhere.
    record.about = dict(what_about())
    return True


def without_secrets(text: str) -> str:
    """Return a text whose URLs have lost their user, password and query: there lie the tokens of other services."""
    return _URL.sub(lambda found: found[1] + found[2] + ("?…" if found[3] else ""), text)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message; task_id, request_id and exception where known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, str] = {
            "time": f"{whole}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
