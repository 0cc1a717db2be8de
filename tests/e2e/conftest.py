"""Sites for the tests with real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Site, open_site


@pytest.fixture
def site(tmp_path: Path, sqlite_database_url: str) -> Iterator[Site]:
    """A site on a SQLite file with the current schema, for `easel api` and `easel worker`."""
    with open_site(tmp_path / "data", sqlite_database_url) as opened:
        yield opened


@pytest.fixture
def embedded_site(tmp_path: Path) -> Iterator[Site]:
    """An empty data folder, for `easel up`."""
    with open_site(tmp_path / "data") as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each database with the current schema."""
    url = request.getfixturevalue({"sqlite": "sqlite_database_url", "postgres": "postgres_url"}[request.param])
    with open_site(tmp_path / "data", url) as opened:
        yield opened
