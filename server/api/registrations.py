"""What clients of the websocket ask for: one task by its token, or all of a project's."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from server.domain.types import TaskId
from server.services.authenticate import Proof

_SEQ: Final = re.compile(r"[0-9]{1,9}")
_ID: Final = re.compile(r"[0-9]{1,18}")
_MOST_SEQS: Final = 1000
_LATEST: Final = 1e12


@dataclass(frozen=True, slots=True)
class Registration:
    """What a `task_info` message asks for: the task of a token ("" if it names none), from behind its event `seq`.

    `preview` says whether the client wants to see it drawn; None: as before.
    """

    token: str
    seq: int
    preview: bool | None


@dataclass(frozen=True, slots=True)
class ProjectRegistration:
    """What a `project_info` message asks for: all tasks of whoever proves himself, from `since` (unix seconds) on.

    `since` is what the last snapshot said; None: from now on. `seqs` are the cursors that the client has.
    """

    proof: Proof
    since: float | None
    seqs: Mapping[TaskId, int]


Wish: TypeAlias = Registration | ProjectRegistration


def read_wish(text: str) -> Wish | None:
    """Return what a message asks for; None for anything else, which is ignored."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    fields = cast("dict[str, object]", message)
    match fields.get("type"):
        case "task_info":
            return _registration(fields)
        case "project_info":
            return _project_registration(fields)
        case _:
            return None


def _registration(fields: Mapping[str, object]) -> Registration:
    token = fields.get("tasktoken")
    text_of_token = token.strip() if isinstance(token, str) else ""
    # PostgreSQL takes no NUL, and no token has anything of the kind.
    usable = text_of_token.isascii() and text_of_token.isprintable()
    preview = fields.get("preview")
    wish = preview if isinstance(preview, bool) else None
    return Registration(text_of_token if usable else "", _seq(fields.get("seq")), wish)


def _project_registration(fields: Mapping[str, object]) -> ProjectRegistration:
    proof = Proof(*(_octets(fields.get(name)) for name in ("apikey", "nonce", "signature")))
    seqs = fields.get("seqs")
    cursors: Mapping[str, object] = cast("Mapping[str, object]", seqs) if isinstance(seqs, dict) else {}
    known = {TaskId(int(it)): _seq(seq) for it, seq in list(cursors.items())[:_MOST_SEQS] if _ID.fullmatch(it)}
    return ProjectRegistration(proof, _moment(fields.get("since")), known)


def _moment(given: object) -> float | None:
    if not isinstance(given, int | float) or isinstance(given, bool):
        return None
    return float(given) if abs(given) < _LATEST else None  # no infinity, and no NaN


def _octets(given: object) -> bytes | None:
    return given.encode(errors="replace") if isinstance(given, str) else None


def _seq(given: object) -> int:
    """Return from where to go on: a number, or one as text; 0, the whole story, for anything else."""
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    return int(text) if _SEQ.fullmatch(text) else 0
