"""What is left when all has settled: rows, files, logs, and what the clients wrote down."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text

from server.adapters.sql.engines import Database
from tests.chaos.history import Line

SECRET_NAMES = ("api_key", "api_secret", "token")


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """A task's row."""

    id: int
    token: str
    status: str
    attempt: int
    crashes: int
    last_seq: int
    pexit: str
    samples: int
    leased: bool
    callback: bool


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """A line of a task's log."""

    seq: int
    attempt: int
    type: str


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """A picture's row, and the SHA-256 of what lies under its key; None where nothing does."""

    task_id: int
    attempt: int
    sample: int
    key: str
    sha256: str
    on_disk: str | None


@dataclass(frozen=True, kw_only=True)
class HookFacts:
    """What is owed to a callback URL."""

    task_id: int
    uuid: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A lease, from the journal: when the statement that granted it had returned."""

    task_id: int
    token: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Write:
    """A write under a lease, from the journal: when it began."""

    task_id: int
    token: str
    verb: str
    at: float
    refused: bool


@dataclass(kw_only=True)
class Evidence:
    """Everything a checker may look at."""

    tasks: Mapping[int, TaskFacts] = field(default_factory=dict)
    events: Mapping[int, Sequence[EventFacts]] = field(default_factory=dict)
    files: Sequence[FileFacts] = ()
    hooks: Sequence[HookFacts] = ()
    history: Sequence[Line] = ()
    grants: Sequence[Grant] = ()
    writes: Sequence[Write] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    orphans: Sequence[str] = ()
    """Files that neither a row nor a note to erase them names, and that the collector left."""
    aside: Sequence[str] = ()
    """Temporary files that their writers left."""
    leaks: Sequence[str] = ()
    """Lines of logs that hold a key, a secret or a token."""
    damage: Sequence[str] = ()
    """What the database's own check complains about."""
    engines: Sequence[int] = ()
    """How many engine processes a worker had, each time somebody looked."""
    strays: Sequence[int] = ()
    """Engine processes that outlived their worker."""
    max_attempts: int = 5
    max_crashes: int = 3


def read_tasks(database: Database) -> tuple[dict[int, TaskFacts], dict[int, list[EventFacts]], list[HookFacts]]:
    """Read tasks, events and webhooks in one snapshot."""

    def work(connection: Connection):
        tasks: dict[int, TaskFacts] = {}
        for row in connection.execute(text('SELECT *, "values" AS checked FROM tasks')).mappings():
            checked = row["checked"] if isinstance(row["checked"], dict) else json.loads(row["checked"])
            tasks[row["id"]] = TaskFacts(
                id=row["id"],
                token=row["token"],
                status=row["status"],
                attempt=row["attempt"],
                crashes=row["crashes"],
                last_seq=row["last_seq"],
                pexit=row["pexit"],
                samples=int(checked.get("samples", 1)),
                leased=row["lease_token"] is not None,
                callback=bool(row["callback_url"]),
            )
        events: dict[int, list[EventFacts]] = {task_id: [] for task_id in tasks}
        query = text("SELECT task_id, seq, attempt, type FROM task_events ORDER BY task_id, seq")
        for row in connection.execute(query):
            events.setdefault(row.task_id, []).append(EventFacts(seq=row.seq, attempt=row.attempt, type=row.type))
        hooks = connection.execute(text("SELECT task_id, uuid, state FROM webhooks"))
        return tasks, events, [HookFacts(task_id=row.task_id, uuid=row.uuid, state=row.state) for row in hooks]

    return database.read(work)


def read_files(database: Database, folder: Path) -> tuple[list[FileFacts], list[str], list[str]]:
    """Read the pictures' rows with what is on disk; return them, the orphans, and what was left aside."""
    rows = database.read(
        lambda connection: connection.execute(text("SELECT task_id, attempt, sample, key, sha256 FROM files")).all()
    )
    noted = database.read(
        lambda connection: (
            connection.execute(text("SELECT key FROM uploads UNION ALL SELECT key FROM dropped_files")).scalars().all()
        )
    )
    on_disk = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    aside = [key for key in on_disk if key.endswith(".tmp")]
    named = {row.key for row in rows}
    orphans = sorted(on_disk.keys() - named - set(noted) - set(aside))
    return (
        [
            FileFacts(
                task_id=row.task_id,
                attempt=row.attempt,
                sample=row.sample,
                key=row.key,
                sha256=row.sha256,
                on_disk=_digest(on_disk.get(row.key)),
            )
            for row in rows
        ],
        orphans,
        aside,
    )


def read_logs(logs: Iterable[Path], secrets: Sequence[str]) -> tuple[list[Grant], list[Write], Counter[str], list[str]]:
    """Read journals and faults, and look for what no log may hold."""
    grants: list[Grant] = []
    writes: list[Write] = []
    faults: Counter[str] = Counter()
    leaks: list[str] = []
    forbidden = re.compile("|".join(re.escape(secret) for secret in secrets)) if secrets else None
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("journal {") and line.endswith("}"):
                _journal(json.loads(line.removeprefix("journal ")), grants, writes)
            elif line.startswith("fault "):
                _, point, _, action = line.split()[:4]
                faults[f"{point}:{action}"] += 1
            if forbidden is not None and forbidden.search(line):
                leaks.append(f"{log.name}: {line[:40]}…")
    return grants, writes, faults, leaks


def check_database(database: Database) -> list[str]:
    """Ask the database whether it is whole."""
    if database.is_sqlite:
        query, good = "PRAGMA integrity_check", "ok"
        said = database.read(lambda connection: connection.execute(text(query)).scalars().all())
        return [line for line in said if line != good]
    # Every index against its table, without the client tool: a heap scan and an index scan must count the same.
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    names = database.read(lambda connection: connection.execute(text(tables)).scalars().all())
    return [trouble for name in names for trouble in _count_both_ways(database, name)]


def _count_both_ways(database: Database, table: str) -> list[str]:
    def count(connection: Connection, *off: str) -> int:
        for name in off:
            connection.execute(text(f"SET LOCAL {name} = off"))
        return connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()

    heap = database.read(lambda it: count(it, "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"))
    index = database.read(lambda it: count(it, "enable_seqscan"))
    return [] if heap == index else [f"{table}: {heap} rows in the table, {index} by index"]


def _journal(said: Line, grants: list[Grant], writes: list[Write]) -> None:
    if "grant" in said:
        grants.append(Grant(task_id=said["grant"], token=said["token"], at=said["at"]))
    else:
        refused = bool(said.get("refused"))
        one = Write(task_id=said["write"], token=said["token"], verb=said["verb"], at=said["at"], refused=refused)
        writes.append(one)


def _digest(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
