"""A TCP proxy before another server that delays, drips, swallows and cuts."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

_CHUNK = 65_536


class Way(StrEnum):
    """How bytes go through, in both directions."""

    PASS = "pass"
    DELAY = "delay"  # each piece waits a quarter of a second
    DRIP = "drip"  # 64 bytes at a time
    SWALLOW = "swallow"  # nothing arrives, nobody is told: half-open
    REFUSE = "refuse"  # connections are closed as soon as they are made


class Proxy:
    """Listens on loopback, forwards to a Unix socket or a port of loopback.

    `way` may be changed at any time, from any thread.
    """

    def __init__(self, target: Path | int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self.way = Way.PASS
        self.port = 0
        self.connections = 0

    def cut(self) -> None:
        """Close every connection that is open now."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.way is Way.REFUSE:
            writer.transport.abort()
            return
        try:
            there, back = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._writers -= {writer, back}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, int):
            return await asyncio.open_connection("127.0.0.1", self._target)
        return await asyncio.open_unix_connection(str(self._target))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                while self.way is Way.SWALLOW:  # noqa: ASYNC110 another thread changes it
                    await asyncio.sleep(0.05)
                if self.way is Way.DELAY:
                    await asyncio.sleep(0.25)
                if self.way is Way.DRIP:
                    await _drip(data, sink)
                else:
                    sink.write(data)
                await sink.drain()
        sink.close()

    async def _listen(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await server.serve_forever()

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Forward while the block runs."""
        ready = threading.Event()
        task = self._loop.create_task(self._listen(ready))

        def run() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(task)
            self._loop.run_until_complete(_end_the_others())
            self._loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        ready.wait(10)
        try:
            yield self
        finally:
            self.cut()
            self._loop.call_soon_threadsafe(task.cancel)
            thread.join(10)


async def _drip(data: bytes, sink: asyncio.StreamWriter) -> None:
    for start in range(0, len(data), 64):
        sink.write(data[start : start + 64])
        await sink.drain()
        await asyncio.sleep(0.002)


async def _end_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
