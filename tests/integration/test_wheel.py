"""The wheel has everything with it: installed elsewhere, without this checkout, it works."""

import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("server", "pipelines", "models", "migrations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves a build folder behind."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        copytree(REPOSITORY / name, folder / "source" / name, ignore=ignore_patterns("__pycache__"))
    for path in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("LICENSE"), REPOSITORY / "pyproject.toml"):
        (folder / "source" / path.name).write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), folder / "source"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*command, "--target", str(folder), str(wheel)], check=True, timeout=150)
    return folder


def _python(target: Path, folder: Path, *words: str, **settings: str) -> str:
    # -S leaves out the .pth files of site-packages, and with them the finder of the editable install.
    dependencies = [path for path in site.getsitepackages() if Path(path).is_dir()]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EASEL_", "PYTHON"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(target), *dependencies]), "COLUMNS": "200", **settings}
    done = subprocess.run(
        [sys.executable, "-P", "-S", *words],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_four_packages_and_their_data(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert any(name.startswith("models/") and name.endswith(".toml") for name in names)
    assert any(name.startswith("migrations/versions/") for name in names)
    assert {"migrations/env.py"} <= set(names)


def test_every_file_of_the_packages_travels(wheel: Path):
    """Whatever is added later: pages, SQL, templates."""
    names = set(zipfile.ZipFile(wheel).namelist())
    here = {
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here - names == set()


def test_the_checkout_is_out_of_reach(target: Path, tmp_path: Path):
    program = (
        "import server, models, pipelines, migrations; print(*{p.__path__[0] for p in (server, models, pipelines)})"
    )
    for path in _python(target, tmp_path, "-c", program).split():
        assert Path(path).is_relative_to(target)


def test_it_works_from_an_empty_folder(target: Path, tmp_path: Path):
    def easel(*words: str) -> str:
        return _python(target, tmp_path, "-m", "server.entrypoints.cli", *words, EASEL_PORT="0")

    assert " bad " not in easel("doctor")
    assert "hevok/studio-trigger" in easel("models", "list")
    assert "this release's schema" in easel("db", "upgrade")
    assert (tmp_path / "data" / "easel.db").is_file()
    assert '"apiKey"' in easel("project", "create", "one", "--json")
    assert "one" in easel("project", "list")
