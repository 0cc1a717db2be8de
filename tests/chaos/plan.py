"""The long version: every experiment on its databases, one after another, and the sum of what they found.

Each is a run of its own of at most forty minutes. Whoever stops the plan and starts it again goes on with the next one:
what this commit has a result of is not repeated.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.stage import facts

_BOTH = (
    ("quiet", "--tasks", "1000"),
    ("kills", "--tasks", "20000", "--minutes", "35"),
    ("kills", "--tasks", "20000", "--minutes", "35", "--seed", "2"),
    ("zombies", "--minutes", "10"),
    ("stops", "--tasks", "2000"),
    ("clock", "--rounds", "6"),
    ("disk", "--rounds", "10"),
    ("slow-disk", "--minutes", "1"),
    ("times", "--rounds", "50"),
    ("soak", "--minutes", "30"),
)
_LOADS = (
    ("load", "--rate", "100", "--minutes", "10", "--database", "sqlite"),
    ("load", "--rate", "200", "--minutes", "10", "--database", "postgres"),
)
_ONCE = (("outages", "--rounds", "10"), ("outages", "--rounds", "1", "--away", "60", "--seed", "2"), ("mutations",))
PLAN: Sequence[Sequence[str]] = [
    *[(*words, "--database", kind) for words in _BOTH for kind in ("sqlite", "postgres")],
    *_LOADS,
    *[(*words, "--database", "postgres") for words in _ONCE[:2]],
    _ONCE[2],
]


def run_plan(out: Path) -> int:
    """Run what has no result yet; return how many experiments failed."""
    done = {tuple(result.get("words", ())) for result in results(out)}
    failed = 0
    for words in PLAN:
        if tuple(words) in done:
            continue
        sys.stdout.write(f"chaos: {' '.join(words)}\n")
        sys.stdout.flush()
        run = [sys.executable, "-m", "tests.chaos", *words, "--out", str(out)]
        code = subprocess.run(run, check=False, stdout=subprocess.DEVNULL).returncode
        failed += code != 0
        sys.stdout.write(f"chaos: {' '.join(words)}: {'as it should be' if code == 0 else 'NOT as it should be'}\n")
    sys.stdout.write(json.dumps(total(results(out)), indent=1) + "\n")
    return failed


def results(out: Path) -> list[dict[str, Any]]:
    """Return the results of this commit; none while the code under test is changed."""
    now = facts("", 0)
    found = [json.loads(path.read_text()) for path in sorted(out.glob("chaos-*.json"))]
    same = [one for one in found if (one["commit"], one["changed"]) == (now["commit"], False)]
    return [] if now["changed"] else same


def total(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum results by experiment and database."""
    sums: dict[str, Any] = {}
    for one in found:
        of = sums.setdefault(f"{one['experiment']} {one['database']}", Counter())
        of["runs"] += 1
        of["tasks"] += one.get("tasks", 0)
        of["kills"] += one.get("kills", 0)
        of["refused"] += sum(one.get("refused", {}).values())
        of["violations"] += sum(wrong[0] for wrong in one.get("violations", {}).values())
    return sums
