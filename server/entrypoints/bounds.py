"""From settings to bounds: of the queue, and of the files that are kept."""

from server.domain.quota import Quota
from server.services.retention import Retention
from server.settings import Settings


def quota_of(settings: Settings) -> Quota:
    """Return the limits of the settings; 0 is none."""
    return Quota(
        queued=settings.queue_limit or None,
        running=settings.running_limit or None,
        total=settings.queue_limit_total or None,
    )


def retention(settings: Settings) -> Retention:
    """Return how long files are kept, and how many bytes of them."""
    quota = None if settings.quota_gb is None else int(settings.quota_gb * 1_000_000_000)
    return Retention(days=settings.keep_days, quota=quota)
