"""What the processes say, on standard error."""

import logging

from server.settings import Settings


def set_up_logging(settings: Settings) -> None:
    """Log in one line each: time, level, who, what."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    # One line per request of its own client says nothing.
    for noisy in ("httpx2", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
