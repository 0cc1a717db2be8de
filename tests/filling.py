"""A queue with many rows, made by the database itself in one statement."""

from sqlalchemy import Connection, text

from server.adapters.sql.engines import Database
from tests.stores import MODEL

_COLUMNS = (
    'uuid, project_id, token, model, parameters, "values", callback_url, base_url, status, turn, attempt, crashes, '
    "last_seq, pexit, message, task_queue_at, task_accept_at, task_start_at, task_end_at, task_postprocess_end_at"
)
_SERIES = {
    True: "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)",
    False: "(SELECT generate_series(1, {count}) AS i)",
}


def fill(database: Database, project_id: int, *, queued: int, finished: int, analyze: bool = True) -> None:
    """Add so many tasks; the finished ones come first, as in life. Statistics are brought up to date, if asked for."""

    def work(connection: Connection) -> None:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for count, status, ended in ((finished, "task_postprocess_end", "2.5"), (queued, "task_queue", "NULL")):
            connection.execute(text(_inserting(database, project_id, count, status, ended)))
        add_files(connection)
        if analyze:
            connection.execute(text("ANALYZE"))

    database.write(work)


def add_files(connection: Connection, most: int = 100_000) -> None:
    """Give each of the first tasks a picture."""
    connection.execute(
        text(
            "INSERT INTO files (task_id, uuid, attempt, sample, name, content_type, size, sha256, access_key, key, "
            "created_at) SELECT id, uuid, 1, 0, '0.png', 'image/png', 1, '', 'access-' || id, "
            f"'outputs/' || uuid || '/0.png', 1.0 FROM tasks ORDER BY id LIMIT {most}"
        )
    )


def _inserting(database: Database, project_id: int, count: int, status: str, ended: str) -> str:
    pexit = "'0'" if status != "task_queue" else "''"
    series = _SERIES[database.is_sqlite].format(count=count)
    body = "'{}'"
    return (
        f"INSERT INTO tasks ({_COLUMNS}) SELECT '{status}-' || i, {project_id}, '{status}-token-' || i, '{MODEL}', "
        f"{body}, {body}, '', '', '{status}', i, {int(status != 'task_queue')}, 0, 9, {pexit}, '', "
        f"1.0 + i, {ended}, {ended}, {ended}, {ended} FROM {series} AS numbers"
    )
