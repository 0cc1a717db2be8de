"""Settings: what is wrong is said in one sentence that names the variable."""

import os
from pathlib import Path

import pytest

from server.domain.bucket_url import BucketUrl
from server.settings import Settings, SettingsError, read_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("EASEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "value",
    [
        "easel.example.org",
        "easel.example.org:8000",
        "//easel.example.org",
        "ftp://easel.example.org",
        "https://",
        "https:///pictures",
        "http://[::1",
        "http://host:port",
        "http://host:0",
        "http://my host",
        "http://host/?q=1",
        "http://host/#top",
    ],
)
def test_a_public_url_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("EASEL_PUBLIC_URL", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert str(raised.value) == f"EASEL_PUBLIC_URL is {value!r}; give a URL such as https://easel.example.org."


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", ""),
        ("https://easel.example.org", "https://easel.example.org"),
        ("HTTPS://easel.example.org/", "HTTPS://easel.example.org"),
        ("http://[::1]:8000/base//", "http://[::1]:8000/base"),
    ],
)
def test_a_public_url(monkeypatch: pytest.MonkeyPatch, value: str, read: str):
    monkeypatch.setenv("EASEL_PUBLIC_URL", value)
    assert read_settings().public_url == read


@pytest.mark.parametrize("value", ["file:///srv/pictures", "gs://key:hunter2@bucket", "https://host/pictures"])
def test_files_at_a_url(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("EASEL_FILES_URL", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    scheme = value.partition(":")[0]
    assert str(raised.value) == f"EASEL_FILES_URL is a {scheme}:// URL; give a folder, or a bucket as s3://bucket."


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("s3://bucket/some/prefix/", BucketUrl(name="bucket", prefix="some/prefix/", names="host")),
        ("S3://bucket?region=eu-west-1", BucketUrl(name="bucket", region="eu-west-1", names="host")),
        ("s3://bucket?endpoint=http://minio:9000/", BucketUrl(name="bucket", endpoint="http://minio:9000")),
        (
            "s3://bucket?endpoint=https://s3.example.org&names=host",
            BucketUrl(name="bucket", endpoint="https://s3.example.org", names="host"),
        ),
    ],
)
def test_files_in_a_bucket(monkeypatch: pytest.MonkeyPatch, value: str, read: BucketUrl):
    monkeypatch.setenv("EASEL_FILES_URL", value)
    assert read_settings().bucket == read


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("s3:///prefix", "EASEL_FILES_URL has no bucket; give s3://bucket/prefix?endpoint=https://host:port."),
        (
            "s3://key:hunter2@bucket",
            "EASEL_FILES_URL has no bucket; give s3://bucket/prefix?endpoint=https://host:port.",
        ),
        ("s3://bucket/../x", "EASEL_FILES_URL has the prefix '../x'; use letters, digits, . _ - and slashes."),
        ("s3://bucket?end=x", "EASEL_FILES_URL has ?end=; only endpoint, region and names are known."),
        (
            "s3://bucket?endpoint=minio:9000",
            "EASEL_FILES_URL has the endpoint 'minio:9000'; give one such as https://minio.example.org:9000.",
        ),
        (
            "s3://bucket?endpoint=http://s3&names=x",
            "EASEL_FILES_URL has names=x; the bucket's name stands in the path or before the host.",
        ),
    ],
)
def test_files_in_what_is_no_bucket(monkeypatch: pytest.MonkeyPatch, value: str, sentence: str):
    monkeypatch.setenv("EASEL_FILES_URL", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert str(raised.value) == sentence


@pytest.mark.parametrize("value", ["/srv/pictures", "pictures", "a:b", "a//b"])
def test_files_in_a_folder(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("EASEL_FILES_URL", value)
    assert str(read_settings().files_folder) == os.path.normpath(value)


def test_a_password_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "password").write_text("a/b@c:d\n")
    monkeypatch.setenv("EASEL_DATABASE_URL", "postgresql://easel@db:5432/easel?sslmode=require")
    monkeypatch.setenv("EASEL_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    assert read_settings().database == "postgresql://easel:a%2Fb%40c%3Ad@db:5432/easel?sslmode=require"


@pytest.mark.parametrize(
    "url", ["", "sqlite:///easel.db", "postgresql://db/easel", "postgresql://easel:hunter2@db/easel"]
)
def test_a_password_file_for_a_url_that_can_take_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str):
    (tmp_path / "password").write_text("secret")
    monkeypatch.setenv("EASEL_DATABASE_URL", url)
    monkeypatch.setenv("EASEL_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(SettingsError, match="needs an EASEL_DATABASE_URL with a user and no password") as raised:
        read_settings()
    assert "hunter2" not in str(raised.value)


def test_a_password_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("EASEL_DATABASE_URL", "postgresql://easel@db/easel")
    monkeypatch.setenv("EASEL_DATABASE_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="can't be read: No such file or directory"):
        read_settings()


@pytest.mark.parametrize(
    ("operators", "url", "names"),
    [
        ("", "", {"default"}),
        ("", "postgresql://u@h/n", set()),
        ("ops, more,", "postgresql://u@h/n", {"ops", "more"}),
        ("none", "", set()),
    ],
)
def test_who_sees_all_projects(operators: str, url: str, names: set[str]):
    assert Settings(operators=operators, database_url=url).operator_names == names
