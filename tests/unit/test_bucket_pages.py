"""A bucket's listings: several pages, and ages by the store's own clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from server.adapters.s3.client import Calls
from server.adapters.s3.store import BucketFiles
from server.domain.bucket_url import BucketUrl
from server.domain.errors import FilesAway

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
BUCKET = BucketUrl(name="bucket", prefix="p/")


class Listing:
    """A store's answers, two things a page; its clock is years ahead of ours."""

    def __init__(self, ages: dict[str, float]) -> None:
        self._ages = list(ages.items())
        self.given_up: list[str] = []

    def _page(self, at: int) -> tuple[list[tuple[str, datetime]], dict[str, Any]]:
        things = [(key, NOW - timedelta(seconds=age)) for key, age in self._ages[at : at + 2]]
        date = {"ResponseMetadata": {"HTTPHeaders": {"date": "Tue, 01 Jan 2030 12:00:00 GMT"}}}
        return things, {**date, "IsTruncated": at + 2 < len(self._ages)}

    def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
        assert asked["Prefix"] == "p/outputs/"
        at = int(asked.get("ContinuationToken", "0"))
        things, page = self._page(at)
        contents = [{"Key": key, "LastModified": at} for key, at in things]
        return {**page, "Contents": contents, "NextContinuationToken": str(at + 2)}

    def list_multipart_uploads(self, **asked: Any) -> dict[str, Any]:
        at = int(asked.get("UploadIdMarker", "0"))
        assert at == 0 or asked["KeyMarker"] == "k"
        things, page = self._page(at)
        uploads = [{"Key": key, "UploadId": f"of {key}", "Initiated": at} for key, at in things]
        return {**page, "Uploads": uploads, "NextKeyMarker": "k", "NextUploadIdMarker": str(at + 2)}

    def abort_multipart_upload(self, **asked: Any) -> dict[str, Any]:
        self.given_up.append(asked["UploadId"])
        if asked["Key"] == "p/finished":
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")
        return {}


def test_old_objects_of_all_pages():
    ages = {"p/outputs/a": 100.0, "p/outputs/b": 10.0, "p/outputs/c": 61.0, "p/outputs/d": 60.0, "p/outputs/e": 3600.0}
    files = BucketFiles(BUCKET, Listing(ages))

    assert list(files.unchanged("outputs", 60)) == ["outputs/a", "outputs/c", "outputs/e"]


def test_old_uploads_of_all_pages_are_given_up():
    listing = Listing({"p/old": 100.0, "p/young": 10.0, "p/finished": 61.0})

    assert BucketFiles(BUCKET, listing).collect(60) == 2
    assert listing.given_up == ["of p/old", "of p/finished"]


def test_after_a_silence_nobody_waits_for_a_moment():
    now = 100.0
    calls = Calls(BUCKET, lambda: now)
    with pytest.raises(FilesAway, match="gives no answer"), calls.made():
        raise EndpointConnectionError(endpoint_url="http://store")
    with pytest.raises(FilesAway, match="a moment ago"), calls.made():
        pytest.fail("a call was made")
    now += 2.0

    with calls.made():
        pass


def test_a_refusal_is_told_to_the_operator_and_not_to_clients():
    with pytest.raises(FilesAway) as raised, Calls(BUCKET).made():
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    assert "AccessDenied" in str(raised.value)
    assert raised.value.message == "The files can't be reached. Try again in a few seconds."
