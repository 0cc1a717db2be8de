"""One-time links that sign a browser in, in the manner of Jupyter: for whoever started the server himself."""

import hashlib
import secrets
import threading
from typing import Final

from server.domain.errors import BadRequest
from server.ports import Clock
from server.services.projects import Credentials

LIFETIME: Final = 900.0
"""Seconds within which a link must be used."""

_REFUSED: Final = (
    "This link has been used, or is too old. Sign in with the API key and secret, which are in project.json in the "
    "data folder, or start easel again for a new link."
)


class SignInLinks:
    """Codes that are each worth a project's credentials, once and for a short time. Kept in memory alone."""

    def __init__(self, clock: Clock, credentials: Credentials, lifetime: float = LIFETIME) -> None:
        self._clock = clock
        self._credentials = credentials
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._until: dict[bytes, float] = {}

    def issue(self) -> str:
        """Return a new code."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._until[_digest(code)] = self._clock.monotonic() + self._lifetime
        return code

    def redeem(self, code: str) -> Credentials:
        """Return what a code is worth. Raises BadRequest for one that is unknown, used or too old."""
        with self._lock:
            until = self._until.pop(_digest(code), None)
        if until is None or until < self._clock.monotonic():
            raise BadRequest(_REFUSED)
        return self._credentials


def _digest(code: str) -> bytes:
    # Looked up by digest: how long a wrong code takes says nothing of the right one.
    return hashlib.sha256(code.encode(errors="replace")).digest()
