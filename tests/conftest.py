"""The storage rooms. PostgreSQL is real and never skipped."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster, running_cluster
from tests.s3 import CREDENTIALS, S3Server, s3_server
from tests.stores import Stores, memory_stores, open_sql_stores, sqlite_url

# Before anything imports torch, and for the processes that tests start: several test processes, each with a thread for
# every core, spend their time taking cores from one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """One server for the whole test process."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """A PostgreSQL database with the current schema."""
    url = postgres_cluster.new_migrated_database()
    yield url
    postgres_cluster.drop(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema."""
    folder = tmp_path_factory.mktemp("template")
    with open_sql_stores(sqlite_url(folder), upgrade=True):
        pass  # the last connection to close leaves one file, without a WAL
    return folder


@pytest.fixture
def sqlite_database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A SQLite database with the current schema."""
    shutil.copytree(sqlite_template, tmp_path / "sqlite")
    return sqlite_url(tmp_path / "sqlite")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Empty stores of each kind."""
    match request.param:
        case "memory":
            yield memory_stores()
        case kind:
            fixture = {"sqlite": "sqlite_database_url", "postgres": "postgres_url"}[kind]
            with open_sql_stores(request.getfixturevalue(fixture)) as opened:
                yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind without a schema."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    url = cluster.new_database()
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server that speaks S3 for the whole test process, and credentials for it in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with s3_server(tmp_path_factory.mktemp("s3")) as server:
            yield server
