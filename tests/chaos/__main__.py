"""`python -m tests.chaos EXPERIMENT …`: one experiment; `all`: those that this code has no result of, and the sum."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.clock import clock
from tests.chaos.disk import disk, slow_disk
from tests.chaos.kills import kills, stops
from tests.chaos.mutations import mutations
from tests.chaos.outages import outages
from tests.chaos.plan import run_plan
from tests.chaos.stage import facts
from tests.chaos.steady import load, soak
from tests.chaos.times import times
from tests.chaos.zombies import quiet, zombies

RESULTS = Path(__file__).parents[2] / "bench" / "results"

Experiment = Callable[[argparse.Namespace], dict[str, Any]]

EXPERIMENTS: Mapping[str, Experiment] = {
    "clock": lambda args: clock(args.database, rounds=args.rounds, seed=args.seed),
    "disk": lambda args: disk(args.database, rounds=args.rounds, seed=args.seed),
    "slow-disk": lambda args: slow_disk(args.database, seconds=args.minutes * 60, seed=args.seed),
    "times": lambda args: times(args.database, rounds=args.rounds),
    "kills": lambda args: kills(
        args.database,
        tasks=args.tasks,
        seconds=args.minutes * 60,
        seed=args.seed,
        workers=args.workers,
        tasks_per_kill=args.tasks_per_kill,
        outstanding=args.outstanding,
        miniature=args.miniature,
    ),
    "mutations": lambda args: mutations(seed=args.seed),
    "outages": lambda args: outages(rounds=args.rounds, seed=args.seed, away=args.away, only=args.only),
    "quiet": lambda args: quiet(args.database, tasks=args.tasks, seed=args.seed),
    "zombies": lambda args: zombies(args.database, seconds=args.minutes * 60, seed=args.seed),
    "load": lambda args: load(args.database, rate=args.rate, seconds=args.minutes * 60, seed=args.seed),
    "soak": lambda args: soak(args.database, seconds=args.minutes * 60, seed=args.seed),
    "stops": lambda args: stops(args.database, tasks=args.tasks, seed=args.seed),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("experiment", choices=["all", *sorted(EXPERIMENTS)])
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--away", type=float, default=0)
    parser.add_argument("--only", default="", help="outages: those whose name begins so")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--tasks-per-kill", type=int, default=15)
    parser.add_argument("--outstanding", type=int, default=24)
    parser.add_argument("--miniature", action="store_true", help="kills: with pictures of the miniature")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.experiment == "all":
        return run_plan(args.out)
    if args.experiment == "outages":
        args.database = "postgres"
    words = [word for word in sys.argv[1:] if word not in {"--out", str(args.out)}]
    result = {"experiment": args.experiment, "words": words, **facts(args.database, args.seed)}
    result |= EXPERIMENTS[args.experiment](args)
    args.out.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = args.out / f"chaos-{args.experiment}-{args.database}-{stamp}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + f"\n{path}\n")
    return 1 if result.get("violations") else 0


if __name__ == "__main__":
    sys.exit(main())
