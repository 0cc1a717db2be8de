"""Writing an object: at once if it is small, in parts if it is not; it appears whole or not at all."""

import contextlib
from typing import Any, Final

from botocore.exceptions import ClientError

from server.adapters.s3.client import Calls, Client, is_gone, is_no_upload
from server.domain.errors import FilesAway

PART: Final = 8 << 20
"""Bytes of a part; S3 takes 5 MiB to 5 GiB, and ten thousand of them."""


class ObjectWriter:
    """Implements `FileWriter`. Holds one part in memory."""

    def __init__(self, client: Client, calls: Calls, place: dict[str, str]) -> None:
        self._client = client
        self._calls = calls
        self._place = place
        self._waiting = bytearray()
        self._size = 0
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, chunk: bytes) -> None:
        """Append; send whole parts."""
        self._waiting += chunk
        self._size += len(chunk)
        while len(self._waiting) > PART:
            self._send(bytes(self._waiting[:PART]))
            del self._waiting[:PART]

    def finish(self) -> None:
        """Send the rest and let the object appear."""
        if self._upload is None:
            with self._calls.made():
                self._client.put_object(**self._place, Body=bytes(self._waiting))
            return
        self._send(bytes(self._waiting))
        with self._calls.made():
            try:
                self._client.complete_multipart_upload(
                    **self._place, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
                )
            except ClientError as error:
                # The answer to the first try may have been lost on its way.
                if not is_no_upload(error) or not self._is_there():
                    raise

    def discard(self) -> None:
        """Give up the upload; if the store is away now, `collect` finds it one day."""
        self._waiting.clear()
        if self._upload is not None:
            with contextlib.suppress(FilesAway), self._calls.made():
                self._client.abort_multipart_upload(**self._place, UploadId=self._upload)

    def _send(self, part: bytes) -> None:
        with self._calls.made():
            if self._upload is None:
                self._upload = str(self._client.create_multipart_upload(**self._place)["UploadId"])
            number = len(self._parts) + 1
            sent = self._client.upload_part(**self._place, UploadId=self._upload, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _is_there(self) -> bool:
        try:
            return int(self._client.head_object(**self._place)["ContentLength"]) == self._size
        except ClientError as error:
            if is_gone(error):
                return False
            raise
