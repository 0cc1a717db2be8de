"""Previews of what is being drawn: asked of the engine while somebody watches, and put on the board as JPEG."""

import io
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from PIL import Image

from pipelines.contract import Preview, Watch
from server.domain.errors import LeaseLost, Unavailable
from server.domain.preview import NewPreview
from server.domain.task import Lease
from server.ports.previews import PreviewBoard
from server.worker.pace import Every
from server.worker.run import Run

_log = logging.getLogger(__name__)

INTERVAL: Final = 0.5
"""Seconds between two previews of a task, at least."""
_SHORTEST_SIDE: Final = 128
"""Pixels: smaller ones are enlarged, for few viewers do it well."""
_QUALITY: Final = 80


class Previews:
    """Called by the supervisor's thread; encodes and writes on one of its own, where the latest preview wins."""

    def __init__(self, board: PreviewBoard, send: Callable[[Watch], None], due: Every) -> None:
        self._board = board
        self._send = send
        self._due = due
        self._watched: set[str] = set()
        self._waiting: dict[Lease, Preview] = {}
        self._lock = Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="previews")

    def look(self, runs: Iterable[Run]) -> None:
        """Let the engine show what somebody wants to see, and nothing else; too early, do nothing.

        Raises Unavailable.
        """
        if not self._due():
            return
        drawn = {run.generation_id: run.lease for run in runs if not (run.engine_done or run.ending)}
        asked = self._board.asked(drawn.values())
        wanted = {generation_id for generation_id, lease in drawn.items() if lease.task_id in asked}
        for generation_id in wanted - self._watched:
            self._send(Watch(generation_id, INTERVAL))
        for generation_id in (self._watched & drawn.keys()) - wanted:
            self._send(Watch(generation_id, None))
        self._watched = wanted

    def take(self, lease: Lease, preview: Preview) -> None:
        """Show a preview of the engine's; one that still waits to be written gives way to it."""
        with self._lock:
            idle = lease not in self._waiting
            self._waiting[lease] = preview
        if idle:
            self._writer.submit(self._write, lease)

    def close(self) -> None:
        """Write no more of them."""
        self._writer.shutdown(cancel_futures=True)

    def _write(self, lease: Lease) -> None:
        with self._lock:
            preview = self._waiting.pop(lease)
        try:
            self._board.show(lease, encoded(preview))
        except (LeaseLost, Unavailable) as error:
            _log.debug("a preview of task %s was dropped: %s", lease.task_id, error)
        except Exception:  # noqa: BLE001 nothing of a preview may harm its task
            _log.warning("a preview of task %s could not be shown", lease.task_id, exc_info=True)


def encoded(preview: Preview) -> NewPreview:
    """Return the preview as a JPEG that is worth looking at."""
    image = Image.frombytes("RGB", (preview.width, preview.height), preview.rgb)
    factor = _SHORTEST_SIDE / min(image.size)
    if factor > 1:
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return NewPreview(
        sample=preview.sample,
        step=preview.step,
        total_steps=preview.total_steps,
        width=image.width,
        height=image.height,
        jpeg=buffer.getvalue(),
    )
