"""The Idempotency-Key of a Run: the same key with the same body makes one task, for a day."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from server.domain.errors import BadRequest
from server.domain.task import RunKey
from server.domain.types import JsonValue

LIFE_SECONDS: Final = 24 * 3600.0
"""How long a key is remembered."""

_MAX_LENGTH: Final = 255


def run_key(sent: str, model: str, parameters: Mapping[str, JsonValue]) -> RunKey | None:
    """Return the key of a Run of `model`, or None if none was sent. Raises BadRequest for one that can't be kept."""
    text = sent.strip()
    if not text:
        return None
    if len(text) > _MAX_LENGTH or not (text.isascii() and text.isprintable()):
        raise BadRequest(f"Idempotency-Key must be 1 to {_MAX_LENGTH} printable ASCII characters.")
    canonical = json.dumps([model, _canonical(parameters)], sort_keys=True, ensure_ascii=True)
    return RunKey(text=text, body_hash=hashlib.sha256(canonical.encode()).hexdigest(), seconds=LIFE_SECONDS)


def _canonical(value: JsonValue) -> object:
    """Return the value as it would be in any encoding: a form has text where JSON has numbers, and no nulls."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return json.dumps(value)
        case Mapping():
            return {str(name): _canonical(part) for name, part in value.items()}
        case Sequence():
            return [_canonical(part) for part in value]
