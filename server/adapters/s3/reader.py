"""Reading an object as a file: from wherever it is sought, as a stream."""

import io
from typing import TYPE_CHECKING, Any

from server.adapters.s3.client import Calls, Client

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ObjectReader(io.RawIOBase):
    """An object of known size. The first read after a seek asks for all from there on; closing lets go of the rest."""

    def __init__(self, client: Client, calls: Calls, place: dict[str, str], size: int) -> None:
        super().__init__()
        self._client = client
        self._calls = calls
        self._place = place
        self._size = size
        self._at = 0
        self._body: Any = None

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can be sought in: yes."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to `offset`, from the start, from here or from the end."""
        to = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if to != self._at:
            self._let_go()
            self._at = max(0, to)
        return self._at

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read some bytes. Raises FilesAway."""
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(view):
            return 0
        with self._calls.made():
            if self._body is None:
                self._body = self._client.get_object(**self._place, Range=f"bytes={self._at}-")["Body"]
            chunk: bytes = self._body.read(len(view))
        view[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)

    def close(self) -> None:
        """Let go of the connection."""
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
