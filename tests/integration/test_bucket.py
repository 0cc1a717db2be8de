"""A whole easel that keeps its files in a bucket: addresses, ranges, retention, and what an outage of it does."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from server.adapters.sql.removals import SqlFileKeeper
from server.entrypoints.file_stores import open_files
from server.entrypoints.trouble import Trouble
from server.services.retention import Retention, collect_orphans, sweep
from server.settings import Settings
from tests.chaos.proxy import Proxy, Way
from tests.contract.files.test_file_store import LARGE
from tests.e2e.commands import FAKE, Easels, easel_fixture, upgraded_fixture
from tests.e2e.processes import eventually
from tests.s3 import S3Server
from tests.serving import Easel, serving

__all__ = ["easel_fixture", "upgraded_fixture"]


class Site:
    """An easel, its bucket, and the way there."""

    def __init__(self, easel: Easel, way: Proxy, server: S3Server) -> None:
        self.easel = easel
        self.way = way
        self._server = server

    def inside(self) -> set[str]:
        bucket = self.easel.settings.bucket
        assert bucket is not None
        found = self._server.client().list_objects_v2(Bucket=bucket.name)
        return {each["Key"].removeprefix("kept/here/") for each in found.get("Contents", ())}

    def upload(self, content: bytes = b"GIF89a") -> httpx2.Response:
        return self.easel.post("File/Upload", files={"file": ("a.gif", content)})


@pytest.fixture
def site(s3: S3Server, tmp_path: Path) -> Iterator[Site]:
    bucket = s3.new_bucket().partition("/")[2].split("/")[1]
    with (
        Proxy(s3.port).running() as way,
        serving(tmp_path / "data", files_url=s3.url(bucket, way.port)) as easel,
    ):
        yield Site(easel, way, s3)
        way.way = Way.PASS


def test_pictures_come_from_the_bucket_with_the_same_headers_and_ranges(site):
    output = site.easel.finish(samples="2")["outputs"][0]

    whole = httpx2.get(output["url"], trust_env=False)
    part = httpx2.get(output["url"], headers={"Range": "bytes=4-11"}, trust_env=False)
    head = httpx2.head(output["url"], trust_env=False)

    assert output["url"].startswith(f"{site.easel.url}/v1/File/")
    assert whole.content.startswith(b"\x89PNG")
    assert whole.headers["access-control-allow-origin"] == "*"
    assert (part.status_code, part.content) == (206, whole.content[4:12])
    assert int(head.headers["content-length"]) == len(whole.content) == int(output["size"])
    assert {key.split("/")[0] for key in site.inside()} == {"outputs"}
    assert len(site.inside()) == 2
    assert not any(path.suffix == ".png" for path in site.easel.settings.data_dir.rglob("*"))


def test_a_large_upload_comes_back_whole_and_goes_on_request(site):
    uploaded = site.upload(LARGE).json()["list"][0]

    assert httpx2.get(uploaded["url"], trust_env=False, timeout=30).content == LARGE
    assert len(site.inside()) == 1


def test_deleted_outputs_leave_the_bucket(site):
    task = site.easel.finish()

    assert site.easel.post("Task/InputOutputDelete", {"tasktoken": task["socketaccesstoken"]}).json()["result"] is True
    assert site.inside() == set()
    assert httpx2.get(task["outputs"][0]["url"], trust_env=False).status_code == 404


def test_retention_and_orphans_reach_the_bucket(site):
    task = site.easel.finish()
    files, keeper = open_files(site.easel.settings), SqlFileKeeper(site.easel.database)
    files.write(f"outputs/{task['uuid']}/left.png", b"of a killed worker")

    assert collect_orphans(keeper, files, -60) == 1
    assert len(site.inside()) == 1
    sweep(keeper, files, Retention(quota=0))
    assert site.inside() == set()


def test_a_task_waits_for_a_bucket_that_is_away(site):
    site.way.way = Way.REFUSE
    site.way.cut()
    token = site.easel.run()["socketaccesstoken"]
    eventually(lambda: site.easel.detail(token)["status"] == "task_start")
    time.sleep(1.5)
    assert site.easel.detail(token)["status"] == "task_start"
    assert site.inside() == set()

    site.way.way = Way.PASS
    frames = site.easel.follow(token)

    assert frames[-1]["type"] == "task_postprocess_end"
    task = site.easel.detail(token)
    assert task["pexit"] == "0"
    assert httpx2.get(task["outputs"][0]["url"], trust_env=False).content.startswith(b"\x89PNG")


def test_a_task_that_waits_can_be_killed(site):
    site.way.way = Way.REFUSE
    site.way.cut()
    token = site.easel.run()["socketaccesstoken"]
    eventually(lambda: site.easel.detail(token)["status"] == "task_start")

    assert site.easel.post("Task/Kill", {"socketaccesstoken": token}).json()["result"] is True
    site.way.way = Way.PASS

    assert site.easel.follow(token)[-1]["type"] == "task_cancel"
    second = site.easel.finish()
    assert second["pexit"] == "0"
    eventually(lambda: len(site.inside()) == 1)


def test_the_api_asks_for_a_little_time_while_the_bucket_is_away(site):
    url = site.easel.finish()["outputs"][0]["url"]
    site.way.way = Way.REFUSE
    site.way.cut()

    for answer in (httpx2.get(url, trust_env=False, timeout=30), site.upload()):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert json.loads(answer.content)["errors"][0]["message"].startswith("The files can't be reached.")
    assert site.easel.run()["result"] is True

    site.way.way = Way.PASS
    time.sleep(2.1)
    assert httpx2.get(url, trust_env=False).is_success
    assert site.upload().json()["result"] is True


def test_without_the_extra_one_sentence_says_so():
    with pytest.raises(Trouble, match=r"buckets need the s3 extra; install it with: pip install 'easel\[s3\]'"):
        open_files(Settings(files_url="s3://bucket"), lambda _name: None)


def test_the_doctor_tries_the_bucket(s3: S3Server, upgraded: Easels):
    assert "written, read and removed a file" in upgraded.ok("doctor", EASEL_FILES_URL=s3.new_bucket(), **FAKE)

    done = upgraded("doctor", EASEL_FILES_URL=s3.url("no-such-bucket"), **FAKE)
    assert done.returncode == 1
    assert "NoSuchBucket" in done.stdout
    assert "Check EASEL_FILES_URL, the credentials" in done.stdout
