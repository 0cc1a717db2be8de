"""Workers of the queue's benchmark, each a process: `python -m bench.queue_workers KIND URL [PATH]`.

They print "ready", then a line per task: its name and the time at which it was started.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from server.adapters.sql.engines import open_database
from server.adapters.sql.tasks import SqlTaskStore
from server.adapters.sql.wakeups import Role, open_wakeups
from server.domain.lifecycle import TaskStatus
from server.domain.task import SUCCESS, Ending
from server.domain.types import WorkerId
from server.domain.writes import Move
from server.services.story import last_words
from tests.stores import MODEL

if TYPE_CHECKING:
    import procrastinate  # of the extra `bench`, which only two of the goals need

_POLL_SECONDS: Final = 1.0
_SHORT: Final = (last_words(Ending(SUCCESS), ""),)
_LONG: Final = (
    tuple(Move(status) for status in (TaskStatus.PREPROCESS_START, TaskStatus.PREPROCESS_END, TaskStatus.ASSIGN)),
    (Move(TaskStatus.START),),
    *_SHORT,
)
"""What a worker commits together, of a task without progress or pictures."""


def easel(url: str, story: Sequence[Sequence[Move]]) -> None:
    """Claim and complete: woken by hints, polling once a second."""
    database = open_database(url)
    tasks, woken = SqlTaskStore(database), threading.Event()
    wakeups = open_wakeups(database, Role.WORKER, poll_only=False)
    wakeups.listen(woken.set)
    worker = WorkerId(f"bench-{time.monotonic_ns()}")
    print("ready", flush=True)  # noqa: T201 the way it reports
    while True:
        woken.wait(_POLL_SECONDS)
        woken.clear()
        while (claimed := tasks.claim(worker, [MODEL], 60)) is not None:
            print(claimed.task.token, time.time(), flush=True)  # noqa: T201
            for moves in story:
                tasks.write(claimed.lease, moves)


def job(name: str) -> None:
    """Do nothing: what procrastinate runs."""
    print(name, time.time(), flush=True)  # noqa: T201


def register(app: "procrastinate.App") -> Callable[..., object]:
    """Return the deferrer of the job that does nothing."""
    return app.task(name="bench")(job).defer


def other(url: str) -> None:
    """Run procrastinate's worker, one job at a time, as its documentation has it."""
    import procrastinate  # noqa: PLC0415 see above

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    register(app)
    with app.open():
        print("ready", flush=True)  # noqa: T201
        app.run_worker(concurrency=1, install_signal_handlers=False)


def main() -> None:
    """Run the worker that the command line names."""
    kind, url = sys.argv[1], sys.argv[2]
    match kind:
        case "easel":
            easel(url, _LONG)
        case "easel-short":
            easel(url, _SHORT)
        case "procrastinate":
            other(url)
        case _:
            raise SystemExit(f"no such worker: {kind}")


if __name__ == "__main__":
    main()
