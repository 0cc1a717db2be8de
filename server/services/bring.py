"""Bring an existing key and secret along, so that a client of Wiro changes nothing but its address."""

import json
import math
from typing import Any, Final, cast

from server.domain.errors import BadRequest
from server.domain.project import AuthMethod, Project
from server.ports import ProjectStore, SecretBox
from server.services.projects import Credentials, write_project

_KEY_NAMES: Final = ("apikey", "xapikey", "key")
_SECRET_NAMES: Final = ("apisecret", "secret")
_MAX_LENGTH: Final = 256
_REFUSED_BITS: Final = 48
_WARNED_BITS: Final = 96


def read_credentials(text: str, name: str, auth: AuthMethod) -> Credentials:
    """Read a key and a secret: two lines, or JSON with apiKey and apiSecret. Raises BadRequest; repeats neither."""
    key, secret = _json(text) if text.lstrip().startswith("{") else _lines(text)
    if not key:
        raise BadRequest("There is no key: give the key on the first line and the secret on the second, or as JSON.")
    if auth is AuthMethod.SIGNATURE and not secret:
        raise BadRequest("There is no secret: give it on the second line; for a project without one, add --auth key.")
    if auth is AuthMethod.KEY and secret:
        raise BadRequest("A key project has no secret: give the key alone, or leave out --auth key.")
    return Credentials(name.strip(), key, secret or None)


def bring_project(projects: ProjectStore, box: SecretBox, given: Credentials) -> tuple[Project, list[str]]:
    """Write a project with this key and secret; return it, and what the operator should know.

    Raises BadRequest for a name or key that is taken, and for credentials that are too weak to keep.
    """
    parts = {"key": given.api_key, "secret": given.api_secret}
    warnings = [warning for what, text in parts.items() if text and (warning := _judge(what, text))]
    return write_project(projects, box, given), warnings


def _json(text: str) -> tuple[str, str]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest('This is no JSON: give {"apiKey": "…", "apiSecret": "…"}, or two lines.') from None
    fields = {"".join(filter(str.isalnum, name)).lower(): value for name, value in cast("dict[str, Any]", read).items()}

    def named(names: tuple[str, ...]) -> str:
        value = next((fields[name] for name in names if fields.get(name) is not None), "")
        if not isinstance(value, str):
            raise BadRequest("A key and a secret are texts: put them in quotes.")
        return value.strip()

    return named(_KEY_NAMES), named(_SECRET_NAMES)


def _lines(text: str) -> tuple[str, str]:
    lines = text.strip().splitlines()
    if len(lines) > 2:  # noqa: PLR2004 a key and a secret
        raise BadRequest("There are more than two lines: give the key on the first and the secret on the second.")
    key, secret = (*lines, "", "")[:2]
    return key.strip(), secret.strip()


def _judge(what: str, text: str) -> str | None:
    """Return what is to be said of a weak key or secret. Raises BadRequest for one that can't be kept.

    The key travels in clear beside the signature, so who sees one call can try secrets without asking this server.
    """
    if len(text) > _MAX_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest(f"The {what} must be at most {_MAX_LENGTH} printable ASCII characters without spaces.")
    bits = len(text) * math.log2(len(set(text)))
    if bits < _REFUSED_BITS:
        raise BadRequest(
            f"The {what} is too easy to guess: a server makes them of 16 random characters or more. Check that it was "
            "copied whole, or make a project with a new one: leave out --import."
        )
    if bits < _WARNED_BITS:
        return (
            f"The {what} is short: who sees one call could guess it in time. Once its clients have moved, replace it "
            "with `easel project rotate`."
        )
    return None
