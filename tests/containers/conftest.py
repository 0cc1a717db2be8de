"""The compose files as Docker Compose itself reads them, and their commands run without containers."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's container files, with the secret that an operator makes."""
    folder = tmp_path_factory.mktemp("site") / "docker"
    shutil.copytree(ROOT / "docker", folder, ignore=shutil.ignore_patterns("secrets", "bucket"))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "database_password").write_text("correct horse / battery\n")
    return folder


def composed(docker: Path, *files: str, profiles: Sequence[str] = ()) -> dict[str, Any]:
    """Return the configuration that Docker Compose makes of the files. Fails on whatever it refuses."""
    named = [part for file in files for part in ("-f", str(docker / file))]
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    command = [str(TOOLS / "docker-compose"), *named, *chosen, "config", "--format", "json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
