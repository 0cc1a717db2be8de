"""Forms with files: fields in memory, files to the store, each within its limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from starlette.concurrency import run_in_threadpool

from server.api.body_stream import BodyStream
from server.api.multipart import MultipartReader, PartBegins, PartData, PartEnds, PartEvent, plain_name
from server.domain.errors import BadRequest
from server.domain.files import MAX_FILE, MAX_FILES
from server.services.incoming import Incoming
from server.services.upload import cannot_store

MAX_FORM: Final = 5 * MAX_FILE
"""Bytes of a form with files, all together."""
MAX_PARTS: Final = 100
"""Fields that are no files."""
MAX_FIELD: Final = 64 * 1024
_FLUSH: Final = 1 << 20

Keep = Callable[[str], bool]
"""Whether the file parts of that name are wanted; others are read and dropped."""
NewFile = Callable[[str, str], Incoming]
"""Makes the place for a file, from its part's name and its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files a route takes, and where they go."""

    keep: Keep
    new_file: NewFile


@dataclass(slots=True)
class Form:
    """What a form held: fields in their order, and the files that were wanted."""

    pairs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    files: list[Incoming] = field(default_factory=list[Incoming])

    def discard(self) -> None:
        """Leave nothing of files that were not kept."""
        for file in self.files:
            file.discard()


async def read_form(first: bytes, stream: BodyStream, boundary: bytes, limit: int, wanted: Wanted | None) -> Form:
    """Read a form whose `first` bytes are known. Raises BadRequest; then nothing is left of its files."""
    reader, writer = MultipartReader(boundary), _FormWriter(wanted)
    try:
        writer.take_all(reader.feed(first))
        async for chunk in stream:
            _check_size(stream.size, limit)
            writer.take_all(reader.feed(chunk))
            if writer.waiting >= _FLUSH:
                await run_in_threadpool(writer.flush)
        reader.close()
        await run_in_threadpool(writer.flush)
    except ValueError:
        await run_in_threadpool(writer.form.discard)
        raise BadRequest from None
    except BaseException:
        await run_in_threadpool(writer.form.discard)
        raise
    return writer.form


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise BadRequest(f"Request body is larger than {limit} bytes.")


class _FormWriter:
    """Turns parts into fields and files. `flush` does I/O and runs on a thread."""

    def __init__(self, wanted: Wanted | None) -> None:
        self.form = Form()
        self.waiting = 0
        self._wanted = wanted
        self._pieces: list[tuple[Incoming, bytes]] = []
        self._name = ""
        self._value: bytearray | None = None
        self._file: Incoming | None = None
        self._size = 0
        self._files = self._fields = 0

    def take_all(self, events: Sequence[PartEvent]) -> None:
        for event in events:
            match event:
                case PartBegins(name=name, filename=None):
                    self._begin_field(name)
                case PartBegins(name=name, filename=filename):
                    self._begin_file(name, filename or "")
                case PartData(data=data):
                    self._more(data)
                case PartEnds():
                    self._end()

    def flush(self) -> None:
        """Write what waits. Raises Unavailable when the disk refuses."""
        pieces, self._pieces, self.waiting = self._pieces, [], 0
        try:
            for file, data in pieces:
                file.write(data)
        except OSError as error:
            raise cannot_store(error) from error

    def _begin_field(self, name: str) -> None:
        self._fields += 1
        if self._fields > MAX_PARTS:
            raise BadRequest
        self._name, self._value, self._file, self._size = name, bytearray(), None, 0

    def _begin_file(self, name: str, filename: str) -> None:
        self._files += 1
        if self._files > MAX_FILES:
            raise BadRequest(f"Request files: at most {MAX_FILES} files can be sent at once.")
        self._name, self._value, self._file, self._size = name, None, None, 0
        # A browser's empty file input is a part without a name and without bytes.
        if filename and self._wanted is not None and self._wanted.keep(name):
            self._file = self._wanted.new_file(name, plain_name(filename))
            self.form.files.append(self._file)
            self._pieces.append((self._file, b""))

    def _more(self, data: bytes) -> None:
        self._size += len(data)
        if self._value is not None:
            if self._size > MAX_FIELD:
                raise BadRequest(f"Request parameter [{self._name[:100]}] is larger than {MAX_FIELD} bytes.")
            self._value += data
        elif self._file is not None:
            if self._size > MAX_FILE:
                raise BadRequest(f"Request files [{self._name[:100]}] must be at most {MAX_FILE >> 20} MB each")
            self._pieces.append((self._file, data))
            self.waiting += len(data)

    def _end(self) -> None:
        if self._value is not None:
            self.form.pairs.append((self._name, self._value.decode()))
        self._value = self._file = None
