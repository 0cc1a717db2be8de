"""The checker has teeth: with a guard taken out of a copy of the tree, an experiment must turn red."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_ROOMS = ("server", "pipelines", "models", "migrations", "tests", "bench", "pyproject.toml")


@dataclass(frozen=True)
class Cut:
    """In `file`, `old` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """What is taken out, after which `words` must find one of `red`."""

    cuts: tuple[Cut, ...]
    words: tuple[str, ...]
    red: frozenset[str]


MUTATIONS = {
    "the fence": Mutation(
        (
            Cut(
                "server/adapters/sql/fence.py",
                '== bindparam("held_attempt"),\n        TASKS.c.lease_token == bindparam("held_token"),',
                '>= bindparam("held_attempt"),\n        bindparam("held_token") != "",',
            ),
        ),
        ("zombies", "--minutes", "0.7"),
        frozenset({"I5", "I3"}),
    ),
    # Either is enough among easels: the turns keep them apart, and IMMEDIATE keeps everybody apart.
    "BEGIN IMMEDIATE and the turns": Mutation(
        (
            Cut("server/adapters/sql/sqlite.py", 'begin="BEGIN IMMEDIATE"', 'begin="BEGIN"'),
            Cut(
                "server/adapters/sql/engines.py",
                "return nullcontext() if self._turns is None else self._turns.taken()",
                "return nullcontext()",
            ),
        ),
        ("quiet", "--tasks", "300"),
        frozenset({"quiet", "I1"}),
    ),
    "the outbox": Mutation(
        (
            Cut(
                "server/adapters/sql/story.py",
                'if TaskStatus.POSTPROCESS_END in path and row["callback_url"]:',
                "if False:",
            ),
        ),
        ("quiet", "--tasks", "300"),
        frozenset({"I7"}),
    ),
}


def mutations(*, seed: int) -> dict[str, Any]:
    """Run every mutation; return which invariants turned red, and as violations those that did not."""
    found = {name: _red(mutation, seed) for name, mutation in MUTATIONS.items()}
    missed = [name for name, red in found.items() if not MUTATIONS[name].red & red.keys()]
    return {"red": found, "violations": {"mutations": [len(missed), *missed]} if missed else {}}


def _red(mutation: Mutation, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="easel-mutant-") as folder:
        tree = Path(folder)
        for room in _ROOMS:
            copy = shutil.copytree if (ROOT / room).is_dir() else shutil.copy
            copy(ROOT / room, tree / room)
        for cut in mutation.cuts:
            path = tree / cut.file
            source = path.read_text()
            assert cut.old in source, cut  # a test looks, too
            path.write_text(source.replace(cut.old, cut.new))
        out = tree / "results"
        subprocess.run(
            [sys.executable, "-m", "tests.chaos", *mutation.words, "--seed", str(seed), "--out", str(out)],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree)},
            check=False,
            stdout=subprocess.DEVNULL,
            timeout=600,
        )
        results = list(out.glob("*.json"))
        return json.loads(results[0].read_text())["violations"] if results else {}
