"""A request's body as it comes: counted, paced, and read to its end where a refusal is to be heard."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request

from server.domain.errors import BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slowly a request may come: its head within `head` seconds.

    Its body with at most `idle` seconds without a byte, and `rate` bytes a second on average after that time.
    """

    head: float = 30.0
    idle: float = 30.0
    rate: float = 8_000.0


class BodyStream:
    """Chunks of a body. Raises BadRequest for one that comes too slowly, or stops."""

    def __init__(self, request: Request, pace: Pace) -> None:
        self._receive = request.receive
        self._more = True
        self._pace = pace
        self._began = time.monotonic()
        self.size = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes; none of them is empty."""
        chunk = b""
        while not chunk:
            if not self._more:
                raise StopAsyncIteration
            chunk = await self._next()
        self.size += len(chunk)
        elapsed = time.monotonic() - self._began
        if elapsed > self._pace.idle and self.size < elapsed * self._pace.rate:
            raise self._too_slow()
        return chunk

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._pace.idle):
                message = await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        if message["type"] == "http.disconnect":
            self._more = False
            raise BadRequest  # answered to nobody: the caller hung up
        self._more = message.get("more_body", False)
        return message.get("body", b"")

    async def drain(self, limit: int) -> None:
        """Read on to the end, so that the client gets to read the answer; not further than `limit` bytes in all."""
        try:
            async for _ in self:
                if self.size > limit:
                    return
        except BadRequest:
            return

    def _too_slow(self) -> BadRequest:
        return BadRequest(
            f"The request's body came too slowly and was given up after {self.size} bytes. Send it again."
        )
