"""Wiro's envelope, the answers that calls have in common, and how a call proves whose it is."""

from collections.abc import Mapping
from typing import Final

from server.api.openapi.pieces import Answer, fields, integer, listed, ref, text
from server.api.wire import Wire

COMMON: Final = {503: "Unavailable"}
"""What any call may be answered."""
KEYED: Final = {401: "NotAuthorized", 429: "TooManyFailures", **COMMON}
"""What a call with a key may be answered."""
NO_PATH: Final = {404: "NoSuchPath"}
"""Answered where a part of the path makes it another path."""

_TIME: Final = 1734513807

SECURITY: Final[list[dict[str, list[str]]]] = [{"key": []}, {"key": [], "nonce": [], "signature": []}]
SECURITY_SCHEMES: Final[Wire] = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The project's API key."},
    "nonce": {
        "type": "apiKey",
        "in": "header",
        "name": "x-nonce",
        "description": "Any number, such as the unix time: 1 to 64 characters. It may be used again.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "x-signature",
        "description": "Hex HMAC-SHA256 whose key is the API key and whose message is the API secret followed by the "
        "nonce. The body is not signed.",
    },
}

_ERROR: Final = fields(
    {
        "code": integer("Wiro's number: 1 for what isn't there or can't be done now, 96 for a full queue, else 0."),
        "message": text("What is wrong and what to do next.", minLength=1),
        "time": integer("Unix seconds."),
    }
)
_REFUSAL: Final = fields(
    {"result": {"const": False}, "errors": listed(ref("Error")) | {"minItems": 1}},
    description="A refusal. Nothing else is in it: a refused Run names no task.",
)
SCHEMAS: Final[Wire] = {"Error": _ERROR, "Refusal": _REFUSAL}


def refusal(message: str, code: int = 0) -> Wire:
    """Return a refusal as an example shows it."""
    return {"result": False, "errors": [{"code": code, "message": message, "time": _TIME}]}


def succeeded(properties: Wire) -> Wire:
    """Return the schema of an answer: these fields in the envelope, or a refusal."""
    success = fields({"result": {"const": True}, "errors": listed(ref("Error")) | {"maxItems": 0}, **properties})
    return {"oneOf": [success, ref("Refusal")]}


def enveloped(description: str, properties: Wire) -> Mapping[int, Answer]:
    """Return the answers of a call: 200 for success and refusal alike, which `result` tells apart."""
    return {200: Answer(description=f"{description}, or `errors` says why not.", schema=succeeded(properties))}


def _shared(description: str, message: str, retry: str = "") -> Wire:
    answer = Answer(description=description, schema=ref("Refusal"), headers={"Retry-After": retry} if retry else {})
    shown = answer.wire(())
    content = {"application/json": {"schema": ref("Refusal"), "example": refusal(message)}}
    return {**shown, "content": content}


RESPONSES: Final[Wire] = {
    "NotAuthorized": _shared(
        "The key is missing or unknown, or the signature is missing or wrong.", "Project authorization is not founded."
    ),
    "TooManyFailures": _shared(
        "Too many calls from this address failed to authenticate. The right key and signature are always let in.",
        "Too many calls from this address failed to authenticate. Check x-api-key, x-nonce and x-signature, and try "
        "again in 12 seconds.",
        "Seconds to wait.",
    ),
    "NoSuchPath": _shared("There is nothing at this path.", "Error parsing url."),
    "Unavailable": _shared(
        "The database or the disk can't be used now.",
        "The database can't be reached. Try again in a few seconds.",
        "Seconds to wait.",
    ),
}
