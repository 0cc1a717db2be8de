"""easel project: existing credentials come in, new ones come out once, and nothing is echoed."""

import json

import pytest
from typer.testing import CliRunner

from server.adapters.secret_box import FileKeySecretBox
from server.adapters.sql.projects import SqlProjectStore
from server.entrypoints.cli.project import app
from server.services.authenticate import authenticate
from server.services.projects import Credentials
from tests.e2e.commands import Easels, easel_fixture, upgraded_fixture
from tests.stores import open_sql_stores, sqlite_url
from tests.unit.test_authenticate import KEY, SECRET, proof_of

__all__ = ["easel_fixture", "upgraded_fixture"]


@pytest.fixture
def call(upgraded: Easels, monkeypatch: pytest.MonkeyPatch):
    """Run `easel project …` in this process, which is quicker."""
    monkeypatch.setenv("EASEL_DATA_DIR", str(upgraded.data))
    monkeypatch.setenv("COLUMNS", "250")

    def run(*words: str, sent: str = ""):
        return CliRunner().invoke(app, list(words), input=sent)

    return run


def _knows(easel: Easels, name: str, key: str, secret: str | None) -> bool:
    with open_sql_stores(sqlite_url(easel.data)) as stores:
        assert stores.database
        box = FileKeySecretBox(easel.data / "secret.key")
        try:
            found = authenticate(
                SqlProjectStore(stores.database), box, proof_of(Credentials(name, key, secret))
            ).project
        except Exception:  # noqa: BLE001
            return False
        return found.name == name


def _refusal(done) -> str:
    assert done.exit_code == 1
    assert KEY not in done.output
    assert SECRET not in done.output
    return str(done.exception)


def test_an_imported_project_lets_its_clients_in_and_echoes_nothing(upgraded: Easels, call):
    done = call("create", "moved", "--import", sent=f"{KEY}\n{SECRET}\n")
    assert done.exit_code == 0
    assert KEY not in done.output
    assert SECRET not in done.output
    assert _knows(upgraded, "moved", KEY, SECRET)
    assert "key exists already" in _refusal(call("create", "again", "--import", sent=f"{KEY}\n{SECRET}\n"))
    assert "name exists already" in _refusal(call("create", "moved", "--import", sent=f"{KEY}x\n{SECRET}\n"))
    assert KEY not in call("list").output


def test_an_imported_key_as_json(upgraded: Easels, call):
    assert "no secret" in _refusal(call("create", "moved", "--import", sent=KEY))
    sent = json.dumps({"apiKey": KEY})
    done = call("create", "moved", "--import", "--auth", "key", "--json", sent=sent)
    assert json.loads(done.output) == {"name": "moved", "auth": "key", "imported": True}
    assert _knows(upgraded, "moved", KEY, None)


def test_a_weak_secret(call):
    assert "too easy to guess" in _refusal(call("create", "moved", "--import", sent=f"{KEY}\nhunter2\n"))
    done = call("create", "moved", "--import", sent=f"{KEY}\nk8Tq2mZx9WbYc4Rf\n")
    assert done.exit_code == 0
    assert "The secret is short" in done.output
    assert "k8Tq2mZx9WbYc4Rf" not in done.output


def test_rotating(upgraded: Easels, call):
    old = json.loads(call("create", "mine", "--json").output)
    new = json.loads(call("rotate", "mine", "--json").output)
    assert set(new) == {"name", "apiKey", "apiSecret"}
    assert new["apiKey"] != old["apiKey"]
    assert new["apiSecret"] != old["apiSecret"]
    for one in (old, new):
        assert _knows(upgraded, "mine", one["apiKey"], one["apiSecret"])
    assert "retires" in call("list").output
    assert "in rotation" in _refusal(call("rotate", "mine"))
    assert call("rotate", "mine", "--end").exit_code == 0
    assert not _knows(upgraded, "mine", old["apiKey"], old["apiSecret"])

    last = json.loads(call("rotate", "mine", "--only", "secret", "--grace", "0", "--json").output)
    assert last["apiKey"] is None
    assert not _knows(upgraded, "mine", new["apiKey"], new["apiSecret"])
    assert _knows(upgraded, "mine", new["apiKey"], last["apiSecret"])
    assert "There is no project 'nobody'" in _refusal(call("rotate", "nobody"))


def test_the_file_easel_run_reads_is_kept_up(upgraded: Easels, call):
    file = upgraded.data / "project.json"
    file.write_text(call("create", "default", "--json").output)
    new = json.loads(call("rotate", "default", "--json").stdout)
    assert json.loads(file.read_text()) == new
    assert file.stat().st_mode & 0o777 == 0o600
    call("create", "other")
    call("rotate", "other")
    assert json.loads(file.read_text()) == new


def test_revoking(upgraded: Easels, call):
    made = json.loads(call("create", "mine", "--json").output)
    assert call("revoke", "mine").exit_code == 0
    assert not _knows(upgraded, "mine", made["apiKey"], made["apiSecret"])
    assert "revoked" in call("list").output
    assert call("restore", "mine").exit_code == 0
    assert _knows(upgraded, "mine", made["apiKey"], made["apiSecret"])
    assert "revoked" not in call("list").output


def test_limits(upgraded: Easels, call):
    call("create", "mine")

    def limits():
        with open_sql_stores(sqlite_url(upgraded.data)) as stores:
            [project] = stores.projects.all()
            return project.queued_limit, project.running_limit

    assert limits() == (None, None)
    assert call("limit", "mine", "--queued", "7").exit_code == 0
    assert call("limit", "mine", "--running", "2").exit_code == 0
    assert limits() == (7, 2)
    call("limit", "mine", "--queued", "none", "--running", "default")
    assert limits() == (2**31 - 1, None)
    assert "no limit" in call("list").output
    for words in (("--queued", "-1"), ("--running", "0"), ("--queued", "many"), ("--running", "99999999999")):
        assert call("limit", "mine", *words).exit_code == 2
