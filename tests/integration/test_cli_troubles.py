"""`easel` in bad company: databases, keys and folders that aren't what they should be, each told in one sentence."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from server.entrypoints.engine import EngineSpec
from tests.e2e.commands import FAKE, Easels, easel_fixture, upgraded_fixture
from tests.postgres import Cluster

__all__ = ["easel_fixture", "upgraded_fixture"]


# ── databases ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def empty_postgres(postgres_cluster: Cluster) -> Iterator[str]:
    url = postgres_cluster.new_database()
    yield url
    postgres_cluster.drop(url)


def test_a_database_that_does_not_exist(easel: Easels, postgres_cluster: Cluster):
    sentence = easel.refuses("project", "list", EASEL_DATABASE_URL=postgres_cluster.url("no_such"))
    assert sentence == 'The database can\'t be reached: FATAL: database "no_such" does not exist.'


def test_a_user_that_does_not_exist(easel: Easels, empty_postgres: str):
    url = empty_postgres.replace("postgres@", "anna:hunter2@")
    for words in ("db upgrade", "api"):
        sentence = easel.refuses(*words.split(), EASEL_DATABASE_URL=url)
        assert sentence == 'The database can\'t be reached: FATAL: role "anna" does not exist.'


def test_the_doctor_says_why_too(easel: Easels, postgres_cluster: Cluster):
    done = easel("doctor", EASEL_DATABASE_URL=postgres_cluster.url("no_such"))
    assert 'can\'t be reached: FATAL: database "no_such" does not exist.' in done.stdout


def test_a_password_with_an_at_sign_is_not_shown_as_a_host(easel: Easels):
    done = easel("db", "upgrade", EASEL_DATABASE_URL="postgresql://anna:se@hunter2@localhost/easel")
    assert done.returncode == 1
    assert "hunter2" not in done.stderr
    assert "%40" in done.stderr


def test_a_file_that_is_no_database(easel: Easels):
    file = easel.folder / "letter.txt"
    file.write_text("Dear database, " * 100)
    sentence = easel.refuses("project", "list", EASEL_DATABASE_URL=f"sqlite:///{file}")
    assert sentence == f"The database can't be reached: file is not a database ({file})."


def test_a_folder_that_is_not_there(easel: Easels):
    file = easel.folder / "nowhere" / "easel.db"
    sentence = easel.refuses("db", "upgrade", EASEL_DATABASE_URL=f"sqlite:///{file}")
    assert sentence == f"The database can't be reached: unable to open database file ({file})."


def test_an_option_postgres_does_not_have(easel: Easels, empty_postgres: str):
    sentence = easel.refuses("api", EASEL_DATABASE_URL=f"{empty_postgres}&bogus=1")
    assert sentence.startswith('The database can\'t be used: invalid connection option "bogus"')


def test_an_upgrade_of_somebody_elses_sqlite(easel: Easels):
    file = easel.folder / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE projects (title TEXT)")
    connection.close()
    sentence = easel.refuses("db", "upgrade", EASEL_DATABASE_URL=f"sqlite:///{file}")
    assert sentence.startswith("The schema can't be changed: table projects already exists")
    assert "a database of its own" in sentence


def test_an_upgrade_of_somebody_elses_postgres(easel: Easels, empty_postgres: str):
    with psycopg.connect(empty_postgres) as connection:
        connection.execute("CREATE TABLE projects (title TEXT)")
    sentence = easel.refuses("db", "upgrade", EASEL_DATABASE_URL=empty_postgres)
    assert sentence.startswith('The schema can\'t be changed: relation "projects" already exists.')


def test_an_upgrade_by_a_user_without_rights(easel: Easels, empty_postgres: str):
    with psycopg.connect(empty_postgres) as connection:
        connection.execute("CREATE ROLE pauper LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    sentence = easel.refuses("db", "upgrade", EASEL_DATABASE_URL=empty_postgres.replace("postgres@", "pauper@"))
    assert sentence.startswith("The schema can't be changed: permission denied for schema public.")


# ── the key of the secrets ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("words", ["api", "up", "project create two"])
def test_a_missing_key(upgraded: Easels, words: str):
    upgraded.ok("project", "create", "one")
    key = upgraded.data / "secret.key"
    key.unlink()
    sentence = upgraded.refuses(*words.split(), **FAKE)
    assert sentence.startswith(f"{key} is missing")
    assert "Restore the key file" in sentence
    assert not key.exists()


def test_the_doctor_misses_the_key(upgraded: Easels):
    upgraded.ok("project", "create", "one")
    (upgraded.data / "secret.key").write_text("not a key")
    done = upgraded("doctor", **FAKE)
    assert done.returncode == 1
    assert "secret.key is not a key file of easel. Restore" in done.stdout


def test_key_projects_need_no_key_file(upgraded: Easels):
    upgraded.ok("project", "create", "one", "--auth", "key")
    assert not (upgraded.data / "secret.key").exists()
    assert "schema current" in upgraded.ok("doctor", **FAKE)


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_data_folder_that_is_none(easel: Easels, postgres_url: str):
    for words in ("up", "project create x"):
        sentence = easel.refuses(*words.split(), EASEL_DATABASE_URL=postgres_url, EASEL_DATA_DIR="/dev/null/x", **FAKE)
        assert sentence.startswith("/dev/null/x")
        assert sentence.endswith(": Not a directory.")


def test_the_doctor_looks_at_the_files_folder(easel: Easels):
    (easel.folder / "file").write_text("in the way")
    done = easel("doctor", EASEL_FILES_URL=str(easel.folder / "file" / "pictures"))
    assert done.returncode == 1
    assert "set EASEL_FILES_URL to a folder that can." in done.stdout


def test_no_project_without_a_place_for_its_secret(upgraded: Easels):
    (upgraded.data / "project.json").mkdir()
    sentence = upgraded.refuses("up", **FAKE)
    assert sentence == f"{upgraded.data / 'project.json'} can't be used: Is a directory."
    assert "default" not in upgraded.ok("project", "list")
    left = {path.name for path in upgraded.data.iterdir()}
    assert all(name == "project.json" or name.startswith("easel.db") for name in left), left


# ── files of the user's own in the current folder ────────────────────────────────────────────────────────────────────
IMPOSTORS = ("server", "torch", "pipelines", "models", "diffusers")


@pytest.fixture
def crowded(easel: Easels) -> Path:
    for name in IMPOSTORS:
        (easel.folder / f"{name}.py").write_text("raise SystemExit('an impostor was run')")
    return easel.folder


def test_the_engine_child_is_ours(crowded: Path):
    done = subprocess.run(
        [*EngineSpec(engine="fake").command(), "no number"],
        cwd=crowded, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "impostor" not in done.stderr
    assert "no number" in done.stderr


def test_the_demo_tells_at_once_that_its_server_has_ended(crowded: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.entrypoints.demo"],
        env=environment | {"EASEL_DEVICE": "abacus", "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=crowded, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("easel: The server has ended: EASEL_DEVICE is 'abacus'")
