"""Outgoing connections, put together: who may be connected to, and by what."""

from typing import Final
from urllib.parse import urlsplit

from server.adapters.outbound.exchange import Caller
from server.adapters.outbound.guard import Guard
from server.adapters.outbound.sender import HttpWebhookSender
from server.domain.outbound import Permits, parse_permits
from server.settings import PREFIX, Settings

SETTING: Final = f"{PREFIX}WEBHOOK_ALLOW"

_POSTGRES_PORT: Final = 5432


def make_sender(settings: Settings) -> HttpWebhookSender:
    """Return what sends webhooks."""
    return HttpWebhookSender(Guard(permits(settings), SETTING), Caller())


def permits(settings: Settings) -> Permits:
    """Return the private targets of the settings; easel's own ports on this machine are never among them."""
    own = [settings.port]
    if not settings.embedded:
        own.append(urlsplit(settings.database).port or _POSTGRES_PORT)
    return parse_permits(settings.webhook_allow, own)
