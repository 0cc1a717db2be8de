"""One-time links that sign a browser in, in the manner of Jupyter: for whoever may read the project's file anyway.

A code is signed with the credentials that it is worth: whoever has them can make one, in any process of the host
(`easel link`), and the server that redeems it needs to have been told of none.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from typing import Final

from server.domain.errors import BadRequest
from server.services.projects import Credentials

LIFETIME: Final = 900.0
"""Seconds within which a link must be used."""

_REFUSED: Final = (
    "This link has been used, or is too old. `easel link` makes a new one, on the machine that serves; or sign in with "
    "the API key and secret, which are in project.json in the data folder."
)


def sign_in_code(credentials: Credentials, now: float) -> str:
    """Return a new code, made at `now` (Unix seconds)."""
    said = f"{int(now)}.{secrets.token_urlsafe(16)}"
    return f"{said}.{_signature(credentials, said)}"


class SignInLinks:
    """Redeems codes, each once and for a short time. What was redeemed is kept in memory alone.

    A code older than this process is refused: an earlier one may have redeemed it.
    """

    def __init__(self, now: Callable[[], float], credentials: Credentials, lifetime: float = LIFETIME) -> None:
        self._now = now
        self._credentials = credentials
        self._lifetime = lifetime
        self._since = int(now())
        self._lock = threading.Lock()
        self._redeemed: dict[str, int] = {}

    def issue(self) -> str:
        """Return a new code."""
        return sign_in_code(self._credentials, self._now())

    def redeem(self, code: str) -> Credentials:
        """Return what a code is worth. Raises BadRequest for one that is forged, used or too old."""
        said, _, signature = code.rpartition(".")
        expected = _signature(self._credentials, said)
        if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            raise BadRequest(_REFUSED)
        made = int(said.partition(".")[0])
        oldest = max(self._since, int(self._now() - self._lifetime))
        with self._lock:
            self._redeemed = {known: at for known, at in self._redeemed.items() if at >= oldest}
            if made < oldest or said in self._redeemed:
                raise BadRequest(_REFUSED)
            self._redeemed[said] = made
        return self._credentials


def _signature(credentials: Credentials, said: str) -> str:
    key = f"{credentials.api_key}:{credentials.api_secret}".encode()
    return hmac.new(key, b"easel sign-in " + said.encode(errors="replace"), hashlib.sha256).hexdigest()
