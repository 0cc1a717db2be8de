"""From pixels to a stored PNG: encoded and made durable off the device's critical path."""

import hashlib
import logging
import secrets
import struct
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from PIL import Image

from pipelines.contract import SampleDone
from server.domain.errors import FilesAway
from server.domain.task import StoredFile, Task
from server.ports import FileStore
from server.worker.labels import Labels
from server.worker.patience import Patience
from server.worker.picture_receipt import Drawing
from server.worker.png import encode_png
from server.worker.prepare import CannotPrepare

_log = logging.getLogger(__name__)

MAX_PIXELS: Final = 40_000_000
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
_TOO_LARGE: Final = f"An input picture has more than {MAX_PIXELS // 1_000_000} million pixels. Send a smaller one."


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture is on disk."""

    generation_id: str
    file: StoredFile


@dataclass(frozen=True, slots=True)
class NotStored:
    """A picture could not be written."""

    generation_id: str
    reason: str


Note: TypeAlias = Callable[[Stored | NotStored], None]


class Pictures:
    """Encodes and stores pictures, one after the other, on a thread of its own; waits for files that are away."""

    def __init__(self, files: FileStore, labels: Labels, note: Note, patience: Patience) -> None:
        self._files = files
        self._patience = patience
        self._closed = False
        self._labels = labels
        self._note = note
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._writer.submit(labels.prepare)

    def store(self, task: Task, drawing: Drawing, sample: SampleDone) -> None:
        """Begin to store a picture; Stored or NotStored will be noted."""
        self._writer.submit(self._store, task, drawing, sample)

    def discard(self, keys: Collection[str]) -> None:
        """Remove pictures that no task has."""
        if self._closed:
            self._discard(keys)
        elif keys:
            self._writer.submit(self._discard, keys)

    def close(self) -> None:
        """Let pictures that are being written be written, unless files are away."""
        self._labels.stop()
        self._patience.end()
        self._writer.shutdown()
        self._closed = True

    def _store(self, task: Task, drawing: Drawing, sample: SampleDone) -> None:
        try:
            chunks = self._labels.chunks(drawing, sample.sample)
            content = encode_sample(sample, chunks, drawing.enlarged_to)
            file = describe(task, sample.sample, content)
            what = f"task {task.id}: storing picture {sample.sample}"
            self._patience.through(what, lambda: self._files.write(file.key, content))
            self._note(Stored(sample.generation_id, file))
        except Exception as error:  # noqa: BLE001 whatever it is, unheard of the run would wait for ever
            _log.exception("task %s: a picture could not be stored", task.id)
            what = error.strerror if isinstance(error, OSError) else None
            reason = f"The picture could not be stored: {what or error}. Tell the operator."
            self._note(NotStored(sample.generation_id, reason))

    def _discard(self, keys: Collection[str]) -> None:
        for key in keys:
            try:
                self._files.delete(key)
            except (OSError, FilesAway) as error:
                _log.warning("%s could not be deleted: %s", key, error)


def check_picture(path: Path) -> str:
    """Return the type of a picture that came from outside. Raises CannotPrepare.

    Only its head is read: how large it says it is decides before anything is unpacked.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's own limits: ours is far below them, and told in one way.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                (width, height), kind = image.size, Image.MIME[image.format or ""]
    except Image.DecompressionBombError:
        raise CannotPrepare(_TOO_LARGE) from None
    except (OSError, ValueError, KeyError, SyntaxError, EOFError, struct.error):
        raise CannotPrepare("An input file is no picture: send a PNG, JPEG, WebP or GIF file.") from None
    if width * height > MAX_PIXELS:
        raise CannotPrepare(_TOO_LARGE)
    return kind


def encode_sample(sample: SampleDone, chunks: list[bytes], enlarged_to: tuple[int, int] | None = None) -> bytes:
    """Return the sample as a PNG file, of another size than it was drawn at where one is given.

    The same sample with the same chunks gives the same bytes.
    """
    if enlarged_to is None:
        return encode_png(sample.width, sample.height, sample.rgb, chunks)
    image = Image.frombytes("RGB", (sample.width, sample.height), sample.rgb)
    enlarged = image.resize(enlarged_to, Image.Resampling.LANCZOS)
    return encode_png(*enlarged.size, enlarged.tobytes(), chunks)


def describe(task: Task, sample: int, content: bytes) -> StoredFile:
    """Return what the store keeps about a picture, under a key and an access key that nobody can guess."""
    access_key = secrets.token_urlsafe(24)
    return StoredFile(
        sample=sample,
        name=f"{sample}.png",
        content_type="image/png",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        access_key=access_key,
        key=f"outputs/{task.uuid}/{access_key}.png",
    )
