"""Standard Webhooks signatures: https://www.standardwebhooks.com, symmetric, version 1."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def secret_text(key: bytes) -> str:
    """Return a key in the form in which receivers keep it."""
    return PREFIX + base64.b64encode(key).decode()


def signed_headers(uuid: str, at: float, body: bytes, secrets: Iterable[str]) -> Mapping[str, str]:
    """Return the three headers: one signature per secret, so that a receiver may change over at its own pace."""
    stamp = str(int(at))
    content = b".".join((uuid.encode(), stamp.encode(), body))
    return {
        "webhook-id": uuid,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_sign(secret, content) for secret in secrets),
    }


def _sign(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
