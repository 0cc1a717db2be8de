"""The `easel` command: what a person can mend comes out as one plain sentence and exit code 1."""

import importlib.metadata
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from server.entrypoints.cli import app, speak_plainly
from tests.e2e.commands import CLOSED_POSTGRES, FAKE, Easels, easel_fixture, upgraded_fixture

__all__ = ["easel_fixture", "upgraded_fixture"]

Here: TypeAlias = Callable[..., tuple[int, str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Here:
    """Run `easel …` in this process, which is quicker, for what ends before anything is opened."""
    for name in [name for name in os.environ if name.startswith("EASEL_")]:
        monkeypatch.delenv(name)

    def run(*words: str, **settings: str) -> tuple[int, str]:
        for name, value in {"EASEL_DATA_DIR": str(tmp_path), **settings}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["easel", *words])
        code = speak_plainly(app)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_it_tells_its_version(here: Here):
    assert here("--version") == (0, f"easel {importlib.metadata.version('easel')}\n")


# ── what keeps a server from starting ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("command", ["worker", "up"])
def test_missing_weights(upgraded: Easels, command: str):
    if command == "up":
        upgraded.ok("project", "create", "one")  # so that `up` has nothing else to say
    sentence = upgraded.refuses(
        command, EASEL_MODELS_DIR=str(upgraded.folder / "nowhere"), EASEL_MINIATURE="0" if command == "up" else ""
    )
    assert sentence.startswith("No weights for ")
    assert "nowhere" in sentence
    assert "EASEL_MODELS_DIR" in sentence


@pytest.mark.parametrize("command", ["api", "up"])
def test_a_taken_port(upgraded: Easels, command: str):
    if command == "up":
        upgraded.ok("project", "create", "one")  # so that `up` has nothing else to say
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        sentence = upgraded.refuses(command, EASEL_PORT=port, **FAKE)
    assert sentence == f"Port {port} on 127.0.0.1 is taken: stop what uses it, or set EASEL_PORT."


@pytest.mark.parametrize("words", ["api", "worker", "up", "db upgrade", "project list", "project create x"])
def test_a_database_that_cannot_be_reached(easel: Easels, words: str):
    sentence = easel.refuses(*words.split(), EASEL_DATABASE_URL=CLOSED_POSTGRES, **FAKE)
    assert sentence.startswith("The database can't be reached: ")


@pytest.mark.parametrize("words", ["api", "worker", "up", "project list", "project create x"])
def test_a_database_without_a_schema(easel: Easels, words: str):
    """Only the embedded database is upgraded by itself."""
    url = f"sqlite:///{easel.folder / 'empty.db'}"
    sentence = easel.refuses(*words.split(), EASEL_DATABASE_URL=url, **FAKE)
    assert "no schema" in sentence
    assert sentence.endswith("Run: easel db upgrade")


def _set_revision(database: Path, revision: str) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


@pytest.mark.parametrize("words", ["api", "worker", "up", "project list", "db upgrade"])
def test_a_database_of_a_newer_release(upgraded: Easels, words: str):
    _set_revision(upgraded.data / "easel.db", "29990101")
    sentence = upgraded.refuses(*words.split(), **FAKE)
    assert "29990101" in sentence
    assert "newer" in sentence
    assert "Run: easel db upgrade" not in sentence


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"EASEL_PORT": "abc"}, "EASEL_PORT is 'abc'"),
        ({"EASEL_PORT": "70000"}, "EASEL_PORT is '70000'"),
        ({"EASEL_ENGINE": "dalle"}, "EASEL_ENGINE is 'dalle'"),
        ({"EASEL_DEVICE": "tpu"}, "EASEL_DEVICE is 'tpu'"),
        ({"EASEL_LEASE_SECONDS": "0"}, "EASEL_LEASE_SECONDS is '0'"),
        ({"EASEL_LEASE_SECONDS": "5"}, "EASEL_HEARTBEAT_SECONDS must be at most half of EASEL_LEASE_SECONDS."),
        ({"EASEL_LOG_LEVEL": "[/loud]"}, "EASEL_LOG_LEVEL is '[/loud]'"),
        ({"EASEL_FILES_URL": "s3://bucket/../x"}, "EASEL_FILES_URL has the prefix '../x'"),
        ({"EASEL_FAKE": "foo=1"}, "EASEL_FAKE has 'foo'; it takes step_ms and mode."),
        ({"EASEL_FAKE": "mode=nonsense"}, "EASEL_FAKE has the mode 'nonsense'; there are works, slow, "),
        ({"EASEL_FAKE": "step_ms=fast"}, "EASEL_FAKE needs a number of milliseconds for step_ms."),
        ({"EASEL_FAKE": "step_ms=nan"}, "EASEL_FAKE needs a number of milliseconds for step_ms."),
        ({"EASEL_FAKE": "step_ms=-1"}, "EASEL_FAKE needs a number of milliseconds for step_ms."),
        ({"EASEL_DATABASE_URL": "mysql://root:hunter2@db/easel"}, "EASEL_DATABASE_URL can't be used"),
        ({"EASEL_CARDS_DIR": "/nowhere/[at]/all"}, "A model card can't be used: /nowhere/[at]/all"),
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense(here: Here, settings: Mapping[str, str], says: str):
    code, printed = here("worker", **{**FAKE, **settings})
    assert code == 1
    assert printed.count("\n") == 1
    assert printed.startswith(f"easel: {says}")
    assert "hunter2" not in printed


def test_a_data_folder_that_cannot_be_made(easel: Easels):
    (easel.folder / "file").write_text("in the way")
    sentence = easel.refuses("up", EASEL_DATA_DIR=str(easel.folder / "file" / "data"), **FAKE)
    assert "can't be made" in sentence


def test_help_is_help(here: Here):
    for words in ("", "up", "api", "worker", "run", "project", "models", "db", "doctor"):
        code, printed = here(*words.split(), "--help")
        assert code == 0
        assert "Usage: " in printed


def test_a_wrong_word_is_not_a_traceback(here: Here):
    code, printed = here("upp")
    assert code == 2
    assert "No such command" in printed


def test_the_command_is_installed(easel: Easels):
    """The console script, as the wheel's metadata name it."""
    script = Path(sys.executable).with_name("easel")
    done = subprocess.run([script, "--help"], cwd=easel.folder, check=True, capture_output=True, text=True, timeout=60)
    assert "self-hosted" in done.stdout
