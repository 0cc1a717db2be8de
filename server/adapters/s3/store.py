"""`FileStore` over a bucket."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any, cast

from botocore.exceptions import ClientError

from server.adapters.s3.client import Calls, Client, is_gone, is_no_upload, open_client
from server.adapters.s3.reader import ObjectReader
from server.adapters.s3.writer import ObjectWriter
from server.domain.bucket_url import BucketUrl
from server.domain.errors import FilesAway
from server.domain.files import is_key
from server.ports.files import FileWriter


class BucketFiles:
    """Implements `FileStore`: an object appears whole under its key, below the bucket's prefix, or not at all.

    Ages are told by the store's own clock.
    """

    def __init__(self, bucket: BucketUrl, client: Client | None = None) -> None:
        self._bucket = bucket
        self._calls = Calls(bucket)
        self._client = client or open_client(bucket)

    def write(self, key: str, content: bytes) -> None:
        """See `FileStore.write`."""
        writer = self.begin(key)
        try:
            writer.write(content)
            writer.finish()
        except FilesAway:
            writer.discard()
            raise

    def begin(self, key: str) -> FileWriter:
        """See `FileStore.begin`."""
        return ObjectWriter(self._client, self._calls, self._place(key))

    def open(self, key: str) -> IO[bytes] | None:
        """See `FileStore.open`. Asks only for the object's head; what is read comes as it is read."""
        place = self._place(key)
        with self._calls.made():
            try:
                head = self._client.head_object(**place)
            except ClientError as error:
                if is_gone(error):
                    return None
                raise
        raw = ObjectReader(self._client, self._calls, place, int(head["ContentLength"]))
        return cast("IO[bytes]", io.BufferedReader(raw))

    def delete(self, key: str) -> None:
        """See `FileStore.delete`."""
        with self._calls.made():
            self._client.delete_object(**self._place(key))

    def unchanged(self, prefix: str, seconds: float) -> Iterator[str]:
        """See `FileStore.unchanged`."""
        below = f"{self._place(prefix)['Key']}/"
        for page in self._pages(self._client.list_objects_v2, below, {"NextContinuationToken": "ContinuationToken"}):
            now = _told_time(page)
            for each in page.get("Contents", ()):
                if (now - each["LastModified"]).total_seconds() > seconds:
                    yield str(each["Key"]).removeprefix(self._bucket.prefix)

    def collect(self, seconds: float) -> int:
        """See `FileStore.collect`: multipart uploads that were begun so long ago are given up."""
        going_on = {"NextKeyMarker": "KeyMarker", "NextUploadIdMarker": "UploadIdMarker"}
        found = 0
        for page in self._pages(self._client.list_multipart_uploads, self._bucket.prefix, going_on):
            now = _told_time(page)
            for each in page.get("Uploads", ()):
                if (now - each["Initiated"]).total_seconds() > seconds:
                    self._give_up(str(each["Key"]), str(each["UploadId"]))
                    found += 1
        return found

    def _give_up(self, whole_key: str, upload: str) -> None:
        with self._calls.made():
            try:
                self._client.abort_multipart_upload(Bucket=self._bucket.name, Key=whole_key, UploadId=upload)
            except ClientError as error:
                if not is_no_upload(error):  # its writer has just finished
                    raise

    def _pages(
        self, listing: Callable[..., Mapping[str, Any]], prefix: str, going_on: Mapping[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of a listing; `going_on` says what of an answer is asked with for the next."""
        marks: dict[str, Any] = {}
        while True:
            with self._calls.made():
                page = listing(Bucket=self._bucket.name, Prefix=prefix, **marks)
            yield page
            if not page.get("IsTruncated"):
                return
            marks = {asked: page[told] for told, asked in going_on.items() if told in page}

    def _place(self, key: str) -> dict[str, str]:
        if not is_key(key):
            raise ValueError(f"not a file key: {key!r}")
        return {"Bucket": self._bucket.name, "Key": f"{self._bucket.prefix}{key}"}


def _told_time(answer: Mapping[str, Any]) -> datetime:
    """Return what time it is for the store, or here if it doesn't say."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return datetime.now(UTC)
