"""The lock file: size and sha256 of every file that was ever pulled, written then, held to ever after."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, cast

LOCK: Final = "models.lock"
_VERSION: Final = 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class LockError(ValueError):
    """A lock can't be read; the message says why, to follow the file's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A file as it was first pulled, and the address it came from."""

    size: int
    sha256: str
    url: str


def parse_lock(text: str) -> dict[str, Locked]:
    """Return what is locked, by path below the folder of models. Raises LockError."""
    try:
        return _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LockError(f"is no lock of models ({error})") from None


def lock_text(locked: Mapping[str, Locked]) -> str:
    """Return the lock's text."""
    return json.dumps({"version": _VERSION, "files": {path: asdict(locked[path]) for path in sorted(locked)}}, indent=2)


def is_sha256(text: str) -> bool:
    """Whether a text is a sha256 in small hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


def _parsed(content: object) -> dict[str, Locked]:
    table = cast("dict[str, object]", content)
    if table["version"] != _VERSION:
        raise ValueError(f"version {table['version']}")
    files = cast("dict[str, dict[str, object]]", table["files"])
    return {path: _locked(entry) for path, entry in files.items()}


def _locked(entry: Mapping[str, object]) -> Locked:
    size, sha256, url = entry["size"], entry["sha256"], entry["url"]
    if type(size) is not int or not isinstance(sha256, str) or not is_sha256(sha256) or not isinstance(url, str):
        raise ValueError(f"an entry reads {dict(entry)}")
    return Locked(size=size, sha256=sha256, url=url)
