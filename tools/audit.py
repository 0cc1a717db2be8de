"""Check what easel brings to whoever installs it: every package is pinned to what is tested, under a licence we know.

`python -m tools.audit` is a part of `make check`. Whether a version has a known hole is asked by `make audit`, which
needs a network that reaches the records.
"""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
EXTRAS: Final = ("", "worker", "s3", "otel")
"""What is installed where easel runs; what only its tests need is not looked at."""

KNOWN: Final = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public License|LGPL-3\.0-only|CNRI-Python|Zlib"
    r"|0BSD|Unlicense)\b"
)
"""Licences under which easel may be used and passed on. LGPL: psycopg, which is used as it comes."""
BY_HAND: Final = frozenset({"cuda-bindings", "cuda-pathfinder", "cuda-toolkit", "setuptools", "triton"})
"""What torch brings, its CUDA build above all, in the versions that it names itself."""


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    pinned = dict(_pins((ROOT / "constraints.txt").read_text(encoding="utf-8")))
    troubles = [trouble for name in sorted(_closure("easel")) for trouble in _troubles(name, pinned)]
    for trouble in troubles:
        sys.stdout.write(f"{trouble}\n")
    return int(bool(troubles))


def _pins(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, found, version = line.partition("==")
        if found:
            yield canonicalize_name(name), version


def _closure(start: str) -> set[str]:
    """Return the names of all packages that these extras bring, as far as they are installed."""
    found: set[str] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(start, EXTRAS)]
    while waiting:
        name, extras = waiting.pop()
        for text in _requirements(name):
            wanted = Requirement(text)
            if wanted.marker is not None and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
                continue
            child = canonicalize_name(wanted.name)
            if child not in found and _is_installed(child):
                found.add(child)
                waiting.append((child, ("", *wanted.extras)))
    return found


def _requirements(name: str) -> list[str]:
    return importlib.metadata.requires(name) or []


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _troubles(name: str, pinned: dict[str, str]) -> Iterator[str]:
    here = importlib.metadata.version(name).partition("+")[0]
    if name.startswith("nvidia-") or name in BY_HAND:
        return
    if name not in pinned:
        yield f"{name} {here} is in no line of constraints.txt: look at it, then pin it."
    elif pinned[name].partition("+")[0] != here:
        yield f"{name}: constraints.txt has {pinned[name]}, installed and tested is {here}. Make them one."
    licence = _licence(name)
    if not KNOWN.search(licence):
        yield f"{name} {here} has the licence {licence[:60]!r}: look at it; add it to tools/audit.py or do without."


def _licence(name: str) -> str:
    about = importlib.metadata.metadata(name)
    classified = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
    return about.get("License-Expression") or " ".join(classified) or about.get("License") or ""


if __name__ == "__main__":
    sys.exit(main())
