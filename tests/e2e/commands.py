"""The `easel` command in a process of its own. A test module imports the fixtures it asks for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLOSED_POSTGRES = "postgresql://nobody@127.0.0.1:1/easel"
FAKE = {"EASEL_ENGINE": "fake"}


class Easels:
    """Runs `easel …` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.patience = 60.0  # seconds for a command

    def __call__(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}
        own = {"EASEL_DATA_DIR": str(self.data), "COLUMNS": "200", "EASEL_PORT": "0", **settings}
        return subprocess.run(
            [sys.executable, "-P", "-m", "server.entrypoints.cli", *words],
            env=environment | own | {"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=self.patience,
        )

    def refuses(self, *words: str, **settings: str) -> str:
        """Run a command that must fail with one sentence; return the sentence."""
        done = self(*words, **settings)
        # what a server's log says of this machine's SQLite is another matter
        lines = [line for line in done.stderr.strip().splitlines() if "WAL-reset" not in line]
        assert done.returncode == 1, (done.stdout, done.stderr)
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("easel: ")
        return lines[0].removeprefix("easel: ")

    def ok(self, *words: str, **settings: str) -> str:
        """Run a command that must succeed; return what it printed."""
        done = self(*words, **settings)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(name="easel")
def easel_fixture(tmp_path: Path) -> Easels:
    return Easels(tmp_path)


@pytest.fixture(name="upgraded")
def upgraded_fixture(easel: Easels, sqlite_template: Path) -> Easels:
    """With an embedded database of this release's schema."""
    shutil.copytree(sqlite_template, easel.data)
    return easel
