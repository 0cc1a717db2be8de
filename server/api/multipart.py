"""Multipart forms, piece by piece: bytes in, parts out, however a client has written and cut them."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

_MAX_HEADERS: Final = 16
_MAX_NAME: Final = 255
_PARAMETER: Final = re.compile(
    r';[ \t]*([A-Za-z0-9!#$&^_.*-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part begins; `filename` is None for a plain field."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """More of the part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part is whole."""


PartEvent: TypeAlias = PartBegins | PartData | PartEnds


class MultipartReader:
    """Reads one form. `feed` and `close` raise ValueError for what is none."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[PartEvent] = []
        self._disposition = b""
        self._field = self._value = b""
        self._ended = False
        callbacks: Mapping[str, Callable[..., None]] = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_ends,
            "on_end": self._form_ends,
        }
        self._parser = MultipartParser(boundary, callbacks, max_header_count=_MAX_HEADERS)  # pyright: ignore[reportArgumentType]  a plain dict of its callbacks

    def feed(self, chunk: bytes) -> Sequence[PartEvent]:
        """Return what the next bytes bring. What stands behind the form's end is no part of it."""
        if self._ended:
            return ()
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise ValueError(str(error)) from error
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Say that nothing more comes: a form cut off in the middle is none."""
        if not self._ended:
            raise ValueError("the form has no end")

    # ── what the parser says ─────────────────────────────────────────────────────────────────────────────────────────
    def _part_begins(self) -> None:
        self._disposition = self._field = self._value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        self._events.append(_part_of(self._disposition))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _part_ends(self) -> None:
        self._events.append(PartEnds())

    def _form_ends(self) -> None:
        self._ended = True


def _part_of(disposition: bytes) -> PartBegins:
    """Read `form-data; name="…"; filename="…"` as clients write it. Raises ValueError without a name."""
    text = disposition.decode()  # UnicodeDecodeError is a ValueError
    values: dict[str, str] = {}
    for match in _PARAMETER.finditer(text):
        quoted, plain = match[2], match[3]
        values.setdefault(match[1].lower(), _unescaped(quoted) if quoted is not None else plain.strip())
    if "name" not in values:
        raise ValueError("a part without a name")
    filename = values.get("filename")
    if "filename*" in values:
        filename = _extended(values["filename*"]) or filename
    return PartBegins(values["name"], filename)


def _unescaped(quoted: str) -> str:
    # Quotes come as \" (SDKs, curl) or %22 (browsers). Other backslashes are meant: browsers don't escape them.
    return re.sub(r'\\(["\\])', r"\1", quoted).replace("%22", '"')


def _extended(value: str) -> str:
    """Read RFC 5987's `UTF-8''na%C3%AFve.png`; "" for what can't be read."""
    charset, _, rest = value.partition("'")
    encoded = rest.partition("'")[2]
    try:
        return unquote_to_bytes(encoded).decode(charset or "utf-8")
    except (LookupError, UnicodeError):
        return ""


def plain_name(filename: str) -> str:
    """Return the name a file is kept under: without the folders of its sender and what can't be shown."""
    last = re.split(r"[/\\]", filename)[-1]
    shown = "".join(char for char in unicodedata.normalize("NFC", last) if unicodedata.category(char)[0] != "C")
    name = shown.strip()
    if len(name) > _MAX_NAME:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) < 16 else ""  # noqa: PLR2004 longer ones are none
        name = name[: _MAX_NAME - len(ending)] + ending
    return name if name.strip(".") else "file"
