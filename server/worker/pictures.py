"""From pixels to a stored PNG: encoded and made durable off the device's critical path."""

import hashlib
import io
import secrets

from PIL import Image

from pipelines.contract import SampleDone
from server.domain.task import StoredFile, Task
from server.ports import FileStore
from server.worker.origin import origin_of, software


def encode_png(sample: SampleDone) -> bytes:
    """Return the sample as a PNG file that says it is AI-made. The same sample gives the same bytes."""
    image = Image.frombytes("RGB", (sample.width, sample.height), sample.rgb)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4, pnginfo=origin_of(software()))
    return buffer.getvalue()


def store_picture(files: FileStore, task: Task, sample: SampleDone) -> StoredFile:
    """Encode and write one picture; return what the store keeps about it."""
    content = encode_png(sample)
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
