"""What an idle worker asks of the database."""

from pathlib import Path

import pytest

from tests.idle import idle_statements

# a little less than two heartbeats: whenever it begins, it sees no third one
SECONDS, PER_SECOND = 9.9, 2.0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_idle_worker_asks_twice_a_second_at_most(request: pytest.FixtureRequest, tmp_path: Path, kind: str):
    url = "" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    asked = idle_statements(url, tmp_path, SECONDS)
    assert 1 <= len(asked) <= SECONDS * PER_SECOND, asked
