"""A site for the tests of crash points."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Site, open_site


@pytest.fixture
def site(tmp_path: Path, sqlite_database_url: str) -> Iterator[Site]:
    """A site on a SQLite file with the current schema."""
    with open_site(tmp_path / "data", sqlite_database_url) as opened:
        yield opened
