"""The store's client: which calls are made, with what patience, and what becomes of their failures."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from server.domain.bucket_url import BucketUrl
from server.domain.errors import FilesAway

_log = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 20.0
_TRIES: Final = 2
_REST_SECONDS: Final = 2.0
_CONNECTIONS: Final = 48  # as many as the API has threads, and some
_DEFAULT_REGION: Final = "us-east-1"  # what stores without regions call theirs
_GONE: Final = frozenset({"404", "NoSuchKey", "NotFound"})


class Client(Protocol):
    """The verbs of S3 that easel knows. They take and return what S3's documentation says."""

    def head_object(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def get_object(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def put_object(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def delete_object(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def list_objects_v2(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def create_multipart_upload(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def upload_part(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def complete_multipart_upload(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def abort_multipart_upload(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102
    def list_multipart_uploads(self, **asked: Any) -> Mapping[str, Any]: ...  # noqa: D102


def open_client(bucket: BucketUrl) -> Client:
    """Return a client with the credentials of the usual places: environment, files, or the machine's own role."""
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        s3={"addressing_style": "path" if bucket.names == "path" else "auto"},
        # Stores other than AWS refuse checksums they have never heard of.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session: Any = cast("Any", botocore.session).get_session()
    region = bucket.region or session.get_config_variable("region") or _DEFAULT_REGION
    made = session.create_client("s3", endpoint_url=bucket.endpoint or None, region_name=region, config=config)
    return cast("Client", made)


class Calls:
    """Translates what goes wrong. After a silence no call is made for a moment, so that no caller waits in vain."""

    def __init__(self, bucket: BucketUrl, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bucket = bucket
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._silent_until = 0.0

    @contextmanager
    def made(self) -> Generator[None]:
        """Make calls inside. Raises FilesAway for whatever the store, or the way to it, refuses."""
        with self._lock:
            resting = self._monotonic() < self._silent_until
        if resting:
            raise FilesAway(detail=f"{self._bucket} gave no answer a moment ago")
        try:
            yield
        except (HTTPClientError, NoConnection) as error:
            with self._lock:
                self._silent_until = self._monotonic() + _REST_SECONDS
            raise FilesAway(detail=f"{self._bucket} gives no answer: {error}") from error
        except (BotoCoreError, ClientError) as error:
            raise FilesAway(detail=f"{self._bucket} refuses: {error}") from error


def is_gone(error: ClientError) -> bool:
    """Whether the store says that there is no such object."""
    return _code(error) in _GONE


def is_no_upload(error: ClientError) -> bool:
    """Whether the store knows no such multipart upload: it is complete, or was given up."""
    return _code(error) == "NoSuchUpload"


def _code(error: ClientError) -> str:
    response = cast("Mapping[str, Any]", error.response)
    return str(response.get("Error", {}).get("Code", ""))
