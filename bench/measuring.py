"""What is read of processes and runs: CPU time and memory from /proc, medians and percentiles."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PARENT: Final = 1
_UTIME: Final = 11
_PACKAGES: Final = (
    *("fastapi", "h11", "psycopg", "pydantic", "sqlalchemy", "starlette", "uvicorn", "websockets"),
    *("diffusers", "torch", "transformers"),
)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / _TICKS


def cpu_seconds_of_tree(pid: int) -> float:
    """Return the CPU time of a process, its descendants, and those of them that have ended and were waited for."""
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            except OSError:  # it has just ended
                continue
            parents.setdefault(int(fields[_PARENT]), []).append(int(folder.name))
            used[int(folder.name)] = sum(int(field) for field in fields[_UTIME : _UTIME + 4]) / _TICKS
    waiting, total = [pid], 0.0
    while waiting:
        one = waiting.pop()
        total += used.get(one, 0.0)
        waiting += parents.get(one, [])
    return total


def machine_seconds() -> tuple[float, float]:
    """Return the time all cores together were busy, and that they were there."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / _TICKS, sum(ticks) / _TICKS


def resident_kib(pid: int) -> float:
    """Return the memory a process holds, in KiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return float(line.split()[1])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure, measured several times."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of some values."""
        return cls(statistics.median(values), min(values), max(values))


def machine_facts(packages: Sequence[str] = _PACKAGES) -> dict[str, object]:
    """Return what of this machine a figure depends on; nothing that names it."""
    load = os.getloadavg()
    return {
        "cores": os.cpu_count(),
        "load": round(load[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": {name: version(name) for name in packages},
    }
