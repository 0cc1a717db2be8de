"""easel doctor: is everything there? What is wrong, and what to do about it."""

import contextlib
import importlib.metadata
import platform
import secrets
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from models.shipped import Drawable
from models.weights import WeightSet
from server.adapters.sql.schema import SqlHealth
from server.adapters.sql.wal import reset_bug_warning
from server.domain.errors import EaselError, FilesAway
from server.domain.host_check import Finding, Verdict, judge_clock, judge_device, judge_folder, judge_shared_memory
from server.entrypoints.drawings import drawable
from server.entrypoints.file_stores import open_files
from server.entrypoints.host_facts import clock_skew, device_facts, folder_facts, shared_memory
from server.entrypoints.opening import ensure_secrets, load_catalogue, open_settled_database
from server.entrypoints.packages import missing_worker_packages
from server.entrypoints.trouble import Trouble
from server.settings import Settings, read_settings

_MIN_PYTHON: Final = (3, 11)
_LOW_DISK: Final = 2 * 10**9


def doctor() -> None:
    """Check Python, torch, device, database, disk and weights; say what to do about what is wrong."""
    settings = read_settings()
    console = Console()
    findings = list(examine(settings))
    style = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.BAD: "bold red"}
    for finding in findings:
        line = f"[{style[finding.verdict]}]{finding.verdict:>4}[/]  {finding.subject:<9} {escape(finding.sentence)}"
        console.print(line, highlight=False, soft_wrap=True)
    raise typer.Exit(int(any(finding.verdict is Verdict.BAD for finding in findings)))


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check; one that can't be run is a finding too."""
    checks: dict[str, Callable[[Settings], Finding]] = {
        "python": _python,
        "packages": _packages,
        "device": _device,
        "database": _database,
        "clock": _clock,
        "disk": _disk,
        "shared": _shared,
        "files": _files,
        "weights": _weights,
        "port": _port,
    }
    for subject, check in checks.items():
        try:
            yield check(settings)
        except (Trouble, EaselError, OSError) as error:
            yield Finding(Verdict.BAD, subject, str(error))


def _python(_settings: Settings) -> Finding:
    version = platform.python_version()
    if sys.version_info < _MIN_PYTHON:
        return Finding(Verdict.BAD, "python", f"{version} is too old: easel needs 3.11 or later.")
    return Finding(Verdict.OK, "python", version)


def _packages(settings: Settings) -> Finding:
    missing = missing_worker_packages()
    if missing and settings.engine == "sdxl":
        what = f"{', '.join(missing)} can't be found: this machine can serve the API but not draw; "
        return Finding(Verdict.NOTE, "packages", what + "install the worker extra with: pip install 'easel[worker]'")
    shown = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "diffusers") if not missing)
    return Finding(Verdict.OK, "packages", shown or "enough for the fake engine")


def _device(settings: Settings) -> Finding:
    if settings.engine == "fake":
        return Finding(Verdict.OK, "device", "the fake engine needs none")
    return judge_device(device_facts(settings.device))


def _shared(settings: Settings) -> Finding:
    return judge_shared_memory(shared_memory(), compiling=settings.compile != "off")


def _clock(settings: Settings) -> Finding:
    if settings.embedded:
        return Finding(Verdict.OK, "clock", "the embedded database has this machine's own")
    try:
        return judge_clock(clock_skew(open_settled_database(settings)))
    except (Trouble, EaselError):
        return Finding(Verdict.NOTE, "clock", "not compared with the database's, which can't be asked (see above)")


def _files(settings: Settings) -> Finding:
    """Write, read and remove a small file, as workers and API do."""
    if settings.bucket is None:
        return Finding(Verdict.OK, "files", f"in {settings.files_folder}")
    files, key = open_files(settings), f"doctor/{secrets.token_hex(8)}"
    try:
        files.write(key, b"easel")
        opened = files.open(key)
        with opened or contextlib.nullcontext():
            whole = opened is not None and opened.read() == b"easel"
        files.delete(key)
    except FilesAway as away:
        what = f"{away}. Check EASEL_FILES_URL, the credentials (AWS_ACCESS_KEY_ID …), and that the bucket is there."
        return Finding(Verdict.BAD, "files", what)
    if not whole:
        return Finding(
            Verdict.BAD, "files", f"{settings.bucket} doesn't give back what was written: choose another store."
        )
    return Finding(Verdict.OK, "files", f"{settings.bucket}: written, read and removed a file")


def _database(settings: Settings) -> Finding:
    kind = f"SQLite {sqlite3.sqlite_version} in {settings.data_dir}" if settings.embedded else "EASEL_DATABASE_URL"
    if settings.embedded and not (settings.data_dir / "easel.db").exists():
        return Finding(Verdict.OK, "database", f"{kind}: `easel up` makes it on first start.")
    database = open_settled_database(settings)
    SqlHealth(database).check()
    ensure_secrets(settings, database)
    warning = reset_bug_warning() if database.is_sqlite else None
    if warning is not None:
        return Finding(Verdict.NOTE, "database", f"{kind}: reachable, schema current. {warning}")
    return Finding(Verdict.OK, "database", f"{kind}: reachable, schema current.")


def _disk(settings: Settings) -> Finding:
    kept = settings.data_dir if settings.bucket else settings.files_folder
    for setting, wanted in (("EASEL_DATA_DIR", settings.data_dir), ("EASEL_FILES_URL", kept)):
        trouble = judge_folder(folder_facts(setting, wanted))
        if trouble is not None:
            return trouble
    folder = folder_facts("EASEL_FILES_URL", kept).path
    free = shutil.disk_usage(folder).free
    if free < _LOW_DISK:
        return Finding(Verdict.NOTE, "disk", f"{free / 1e9:.1f} GB free in {folder}: it will soon be full.")
    return Finding(Verdict.OK, "disk", f"{free / 1e9:.0f} GB free in {folder}")


def _weights(settings: Settings) -> Finding:
    if settings.engine == "fake":
        return Finding(Verdict.NOTE, "weights", "EASEL_ENGINE is fake: pictures are colour gradients.")
    found = drawable(settings, load_catalogue(settings), miniature=not settings.models_dir)
    if found.weights:
        return _told(next(iter(found.weights.values())), found)
    sentence = found.missing[0].sentence if found.missing else "There is no model card to serve."
    return Finding(Verdict.BAD, "weights", sentence)


def _told(weights: WeightSet, found: Drawable) -> Finding:
    loras = ", ".join(weights.loras) or "no LoRA"
    if weights.miniature:
        what = f"the miniature ({loras}) for `easel up`, as there are no real ones; elsewhere if EASEL_MINIATURE=1."
        return Finding(Verdict.NOTE, "weights", what)
    refiner = "with refiner" if weights.refiner else "without refiner"
    what = f"real SDXL {refiner} in {weights.base.parent} ({loras})"
    if found.missing and found.missing[0].partly:
        return Finding(Verdict.BAD, "weights", f"{what}; but: {found.missing[0].sentence}")
    return Finding(Verdict.OK, "weights", what)


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            what = f"{settings.host}:{settings.port} can't be had ({error.strerror}): is easel running already?"
            return Finding(Verdict.NOTE, "port", what)
    return Finding(Verdict.OK, "port", f"{settings.host}:{settings.port} is free")
