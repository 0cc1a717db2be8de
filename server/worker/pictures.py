"""From pixels to a stored PNG: encoded and made durable off the device's critical path."""

import hashlib
import io
import secrets
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from pipelines.contract import SampleDone
from server.domain.task import StoredFile, Task
from server.ports import FileStore
from server.worker.origin import origin_of, software
from server.worker.prepare import CannotPrepare

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


def encode_png(sample: SampleDone, enlarged_to: tuple[int, int] | None = None) -> bytes:
    """Return the sample as a PNG file that says it is AI-made, of another size than it was drawn at where one is given.

    The same sample gives the same bytes.
    """
    image = Image.frombytes("RGB", (sample.width, sample.height), sample.rgb)
    if enlarged_to is not None:
        image = image.resize(enlarged_to, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4, pnginfo=origin_of(software()))
    return buffer.getvalue()


def check_picture(path: Path) -> str:
    """Return the type of a picture that came from outside. Raises CannotPrepare.

    Only its head is read: how large it says it is decides before anything is unpacked.
    """
    try:
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as image:
            # Pillow's own limits: ours is far below them, and told in one way.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            (width, height), kind = image.size, Image.MIME[image.format or ""]
    except Image.DecompressionBombError:
        raise CannotPrepare(_TOO_LARGE) from None
    except (OSError, ValueError, KeyError, SyntaxError, EOFError, struct.error):
        raise CannotPrepare("An input file is no picture: send a PNG, JPEG, WebP or GIF file.") from None
    if width * height > MAX_PIXELS:
        raise CannotPrepare(_TOO_LARGE)
    return kind


def store_picture(
    files: FileStore, task: Task, sample: SampleDone, enlarged_to: tuple[int, int] | None = None
) -> StoredFile:
    """Encode and write one picture; return what the store keeps about it."""
    content = encode_png(sample, enlarged_to)
    access_key = secrets.token_urlsafe(24)
    key = f"outputs/{task.uuid}/{access_key}.png"
    files.write(key, content)
    return StoredFile(
        sample=sample.sample,
        name=f"{sample.sample}.png",
        content_type="image/png",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        access_key=access_key,
        key=key,
    )
