"""The public addresses of files: `{base}/v1/File/{access key}/{name}`."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_PATH: Final = re.compile(r".*/v1/File/([A-Za-z0-9_-]{16,64})/([^/]+)")


@dataclass(frozen=True, slots=True)
class FileAddress:
    """The two parts of an address that name a file."""

    access_key: str
    name: str


def file_url(base: str, access_key: str, name: str) -> str:
    """Return the absolute URL, percent-encoded down to ASCII."""
    return f"{base}/v1/File/{quote(access_key, safe='')}/{quote(name, safe='')}"


def file_address(url: str) -> FileAddress | None:
    """Return what a URL in this form names; None for any other URL."""
    found = _PATH.fullmatch(urlsplit(url).path)
    return FileAddress(found[1], unquote(found[2])) if found else None
