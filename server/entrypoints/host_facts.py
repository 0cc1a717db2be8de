"""Facts about this host, or this container: asked of the system, judged elsewhere."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from server.adapters.sql.engines import Database
from server.adapters.sql.schema import database_time
from server.domain.host_check import DeviceFacts, FolderFacts

_SECONDS: Final = 10.0
_CONTAINER_MARKS: Final = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")


def device_facts(device: str) -> DeviceFacts:
    """Ask the driver's own program, without importing torch, which takes seconds."""
    driver, gpus = _asked_driver()
    return DeviceFacts(
        device=device,
        torch=_version("torch"),
        cuda=_cuda(),
        driver=driver,
        gpus=gpus,
        container=any(os.path.lexists(mark) for mark in _CONTAINER_MARKS),
    )


def folder_facts(setting: str, wanted: Path) -> FolderFacts:
    """Look at the folder, or at what is there of the way to it."""
    path = wanted.absolute()
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    is_folder = there.is_dir()
    return FolderFacts(
        setting=setting,
        path=str(there),
        is_folder=is_folder,
        writable=os.access(there, os.W_OK | os.X_OK),
        owner=there.stat().st_uid if is_folder else -1,
        user=os.geteuid(),
        read_only=is_folder and bool(os.statvfs(there).f_flag & os.ST_RDONLY),
    )


def shared_memory() -> int | None:
    """Return the size of /dev/shm in bytes."""
    try:
        return shutil.disk_usage("/dev/shm").total  # noqa: S108 looked at, not written
    except OSError:
        return None


def clock_skew(database: Database) -> float:
    """Return how many seconds this machine's clock is before the database's, within what asking took."""
    before = time.time()
    there = database_time(database)
    return (before + time.time()) / 2 - there


def _asked_driver() -> tuple[str, tuple[str, ...]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        told = _told_driver()
        return told, (("a GPU",) if told else ())
    asked = [program, "--query-gpu=driver_version,name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, check=False, text=True, timeout=_SECONDS)  # noqa: S603 its own path
    except (OSError, subprocess.TimeoutExpired):
        return _told_driver(), ()
    rows = [line.split(", ", 1) for line in done.stdout.splitlines() if ", " in line] if done.returncode == 0 else []
    return (rows[0][0] if rows else _told_driver()), tuple(row[1] for row in rows)


def _told_driver() -> str:
    try:
        found = re.search(r"Module\s+(\d+(?:\.\d+)+)", Path("/proc/driver/nvidia/version").read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else "of unknown version"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cuda() -> str:
    """Return the CUDA that torch says it was built with: a line of a file of its own."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^cuda\b.*?=\s*'([\d.]+)'", text, re.MULTILINE)
    return found[1] if found else ""
