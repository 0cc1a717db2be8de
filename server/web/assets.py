"""Static files of the pages: read once, and served under an address that changes with their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    content: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by name. `version` is of all of them together: modules import each other by relative addresses."""

    files: Mapping[str, Asset]
    version: str


@cache
def assets() -> Assets:
    """Return the files that travel in the package."""
    found: dict[str, Asset] = {}
    whole = hashlib.sha256()
    for file in sorted(resources.files("server.web").joinpath("static").iterdir(), key=lambda it: it.name):
        suffix = "." + file.name.rpartition(".")[2]
        if suffix not in _TYPES:
            continue
        content = file.read_bytes()
        whole.update(file.name.encode() + b"\0" + content)
        found[file.name] = Asset(content, _TYPES[suffix], f'"{hashlib.sha256(content).hexdigest()[:20]}"')
    return Assets(MappingProxyType(found), whole.hexdigest()[:12])
