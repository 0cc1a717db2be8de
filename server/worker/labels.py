"""What is written into pictures beside their pixels: where they come from, and with what they are drawn."""

import json

from models.weights import WeightSet
from server.ports.hashes import Hashes
from server.worker import infotext, picture_receipt
from server.worker.origin import origin_chunks, software
from server.worker.picture_receipt import Drawing, hash_experts, hash_weights
from server.worker.png import text_chunk, utf8_chunk


class Labels:
    """Makes the PNG chunks that say so: that an AI drew the picture, always; where `full`, also with what.

    Called by one thread; the first look at large weights takes its time there.
    """

    def __init__(self, weights: WeightSet | None, hashes: Hashes, *, full: bool) -> None:
        self._weights = weights
        self._hashes = hashes
        self._full = full

    def prepare(self) -> None:
        """Read what will be needed, before the first picture waits for it."""
        if self._full:
            hash_experts(self._weights, self._hashes)

    def chunks(self, drawing: Drawing, sample: int) -> list[bytes]:
        """Return the PNG chunks of one picture."""
        tool = software()
        origin = origin_chunks(tool)
        if not self._full:
            return origin
        weights = hash_weights(self._weights, drawing.request, self._hashes)
        text = infotext.infotext(drawing, sample, weights, tool)
        receipt = picture_receipt.picture_receipt(drawing, sample, weights, tool)
        told = json.dumps(receipt, ensure_ascii=False, separators=(",", ":"))
        return [*origin, text_chunk(infotext.KEYWORD, text), utf8_chunk(picture_receipt.KEYWORD, told)]

    def stop(self) -> None:
        """Read no more: what is unknown by now stays so."""
        self._hashes.stop()
