"""Outgoing connections, put together: who may be connected to, and by what."""

from typing import Final
from urllib.parse import urlsplit

from server.adapters.outbound.downloads import HttpDownloads
from server.adapters.outbound.exchange import Caller
from server.adapters.outbound.guard import Guard
from server.adapters.outbound.sender import HttpWebhookSender
from server.domain.outbound import Permits, parse_permits
from server.settings import PREFIX, Settings

WEBHOOK_SETTING: Final = f"{PREFIX}WEBHOOK_ALLOW"
DOWNLOAD_SETTING: Final = f"{PREFIX}DOWNLOAD_ALLOW"

_POSTGRES_PORT: Final = 5432


def make_sender(settings: Settings) -> HttpWebhookSender:
    """Return what sends webhooks."""
    return HttpWebhookSender(Guard(_permits(settings, settings.webhook_allow), WEBHOOK_SETTING), Caller())


def make_downloads(settings: Settings) -> HttpDownloads:
    """Return what fetches the input files that clients name by URL."""
    return HttpDownloads(Guard(_permits(settings, settings.download_allow), DOWNLOAD_SETTING), Caller())


def _permits(settings: Settings, allowed: str) -> Permits:
    """Return the private targets that are allowed; easel's own ports on this machine are never among them."""
    own = [settings.port]
    if not settings.embedded:
        own.append(urlsplit(settings.database).port or _POSTGRES_PORT)
    return parse_permits(allowed, own)
