"""What a file is, by its bytes and then its name: never by what its sender calls it."""

from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "application/octet-stream"
HEAD: Final = 64
"""How many first bytes `content_type_of` wants to see."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
BY_ENDING: Final[Mapping[str, str]] = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "pdf": "application/pdf",
    "csv": "text/csv",
    "txt": "text/plain",
    "md": "text/markdown",
    "docx": f"{_OFFICE}wordprocessingml.document",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "epub": "application/epub+zip",
    "zip": "application/zip",
}
"""The types Wiro documents, by the ending of a name."""

SHOWN: Final = frozenset(
    kind for kind in BY_ENDING.values() if kind == "application/pdf" or kind.startswith(("image/", "video/", "audio/"))
)
"""What a browser may show in its place; everything else it saves."""

# These have no bytes to be known by, or (mp3) not always.
_BY_NAME_ALONE: Final = frozenset({"csv", "txt", "md", "mp3"})
_ZIPS: Final = frozenset({"docx", "xlsx", "pptx", "epub"})
_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"ID3", "audio/mpeg"),
)
_RIFF: Final[Mapping[bytes, str]] = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc"})


def content_type_of(name: str, head: bytes) -> str:
    """Return the type of a file from its first bytes and its name; what is in no table is `UNKNOWN`."""
    ending = name.rpartition(".")[2].lower()
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return BY_ENDING[ending] if ending in _ZIPS else BY_ENDING["zip"]
    found = next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None) or _container(head)
    if found is not None:
        return found
    return BY_ENDING[ending] if ending in _BY_NAME_ALONE else UNKNOWN


def _container(head: bytes) -> str | None:
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12]
    if brand in _HEIC_BRANDS:
        return BY_ENDING["heic"]
    if brand == b"qt  ":
        return BY_ENDING["mov"]
    return BY_ENDING["m4a" if brand.startswith(b"M4A") else "mp4"]
