"""SQLite among several processes: turns, the length of its log, where it may lie, which libraries need a warning."""

import fcntl
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from server.adapters.sql.places import network_filesystem
from server.adapters.sql.turns import WriteTurns
from server.adapters.sql.wal import WalCare, has_reset_bug, reset_bug_warning
from server.domain.errors import Unavailable
from tests.stores import open_sql_stores


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


# ── turns ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_turn_is_exclusive_between_openers(tmp_path: Path):
    """flock(2) knows open files, not processes: two openers exclude each other like two processes."""
    first, second = (WriteTurns(str(tmp_path / "easel.db"), seconds=0.05) for _ in range(2))
    with first.taken(), pytest.raises(Unavailable, match="busy"), second.taken():
        pass
    with second.taken(), pytest.raises(Unavailable), first.taken():
        pass
    first.close()
    second.close()


def test_a_transaction_and_its_commit_lie_within_one_turn(sqlite_database_url: str):
    turn = Path(f"{_file(sqlite_database_url)}.turn")

    def is_free() -> bool:
        with turn.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with open_sql_stores(sqlite_database_url) as stores:
        assert stores.database
        seen = []
        stores.database.write(lambda connection: seen.append(is_free()))
        assert seen == [False]
        assert is_free()
        stores.database.read(lambda connection: seen.append(is_free()))
        assert seen == [False, True]


def test_nobody_has_two_turns_while_another_waits(tmp_path: Path):
    """Without order, one that writes without a pause leaves nothing to the others."""
    database, takers = str(tmp_path / "easel.db"), 4
    order: list[int] = []
    waiting = threading.Barrier(takers)

    def take(number: int) -> None:
        turns = WriteTurns(database, seconds=30)
        waiting.wait(30)
        for _ in range(15):
            with turns.taken():
                order.append(number)
                time.sleep(0.004)  # long enough for every other to be waiting again
        turns.close()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(takers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    contended = order[: 15 * takers // 2]
    twice = sum(one == other for one, other in pairwise(contended))
    assert len(order) == 15 * takers
    assert twice <= len(contended) // 5


def test_a_killed_writer_gives_its_turn_back(sqlite_database_url: str):
    script = (
        "import sys, time\n"
        "from tests.stores import open_sql_stores\n"
        "with open_sql_stores(sys.argv[1]) as stores:\n"
        "    stores.database.write(lambda connection: (print('in', flush=True), time.sleep(60)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, sqlite_database_url], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"in\n"
    process.kill()
    process.wait()
    process.stdout.close()
    with open_sql_stores(sqlite_database_url) as stores:
        assert stores.submit().turn == 1


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _grow(connection: Connection, megabytes: int, letter: str = "x") -> None:
    """Write so many megabytes; with the same letter again SQLite would find nothing to write."""
    connection.execute(text("UPDATE tasks SET message = :text"), {"text": letter * megabytes * 2**20})


def test_the_log_is_cut_when_it_has_grown(sqlite_database_url: str):
    log = Path(f"{_file(sqlite_database_url)}-wal")
    with open_sql_stores(sqlite_database_url) as stores:
        assert stores.database
        stores.submit()
        time.sleep(1.05)  # it is looked at once a second
        stores.database.write(lambda connection: _grow(connection, 20))
        assert log.stat().st_size == 0


def test_a_log_that_a_reader_holds_is_told_of(sqlite_database_url: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    now = [0.0]
    with open_sql_stores(sqlite_database_url) as stores:
        assert stores.database
        stores.submit()
        reader = sqlite3.connect(_file(sqlite_database_url), isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM tasks").fetchall()
        for letter in "abcd":
            stores.database.write(partial(_grow, megabytes=20, letter=letter))
        caplog.clear()
        care = WalCare(str(_file(sqlite_database_url)), lambda: now[0])
        assert care.is_due()
        assert not care.is_due()
        for now[0] in (2.0, 3.0):
            care.tend(stores.database._writes, stores.database._in_turn)
        alarms = [
            record for record in caplog.records if "write-ahead log" in record.message and " MB" in record.message
        ]
        assert len(alarms) == 1
        reader.execute("ROLLBACK")
        reader.close()


# ── where it may lie ─────────────────────────────────────────────────────────────────────────────────────────────────
MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /mnt/nas rw,relatime shared:1 - nfs4 nas:/export rw,vers=4.2
31 22 0:41 / /mnt/share rw - cifs //nas/share rw
32 22 0:42 / /mnt/remote\\040disk rw - fuse.sshfs me@host:/ rw
33 22 0:43 / /mnt/usb rw - fuseblk /dev/sdb1 rw
34 30 254:0 /scratch /mnt/nas/scratch rw - ext4 /dev/vdb rw
35 22 0:45 / /data rw - overlay overlay rw
36 22 0:46 / /mnt/bucket rw - fuse.s3fs s3fs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/easel.db", None),
        ("/mnt/nas/easel.db", "nfs4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nasty/easel.db", None),
        ("/mnt/nas/scratch/easel.db", None),
        ("/mnt/share/a/b/easel.db", "cifs"),
        ("/mnt/remote disk/easel.db", "fuse.sshfs"),
        ("/mnt/usb/easel.db", None),
        ("/mnt/bucket/easel.db", "fuse.s3fs"),
        ("/data/easel.db", None),
    ],
)
def test_network_file_systems_are_known(path: str, kind: str | None):
    assert network_filesystem(path, MOUNTS) == kind


@pytest.mark.parametrize("mounts", ["", "nonsense\n\n1 2 3 - \n", "22 1 254:0 / / rw - "])
def test_what_is_not_known_is_not_refused(mounts: str):
    assert network_filesystem("/srv/easel.db", mounts) is None


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 3), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_libraries_with_the_reset_bug_are_known(version: tuple[int, int, int], *, affected: bool):
    assert has_reset_bug(version) is affected
    assert (reset_bug_warning(version) is not None) is affected
