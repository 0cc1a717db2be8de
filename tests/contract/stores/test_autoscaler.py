"""The query that an autoscaler asks: as many workers as there is work for."""

from pathlib import Path

import pytest
from sqlalchemy import text

from server.domain.lifecycle import RUNNING, TaskStatus
from tests.stores import Stores

QUERY = (Path(__file__).parents[3] / "docker" / "autoscaler.sql").read_text()


def workers(stores: Stores) -> int:
    if stores.database is None:
        pytest.skip("a question in SQL")
    return stores.database.read(lambda connection: connection.execute(text(QUERY)).scalar_one())


def test_work_is_what_waits_or_is_drawn(stores: Stores):
    assert workers(stores) == 0
    stores.task_in(TaskStatus.POSTPROCESS_END)
    stores.task_in(TaskStatus.CANCEL)
    stores.task_in(TaskStatus.END)
    assert workers(stores) == 0
    for status in sorted(RUNNING):
        stores.task_in(status)
    expected = len(RUNNING)
    assert workers(stores) == -(-expected // 4)
    for queued in range(5):
        stores.submit()
        assert workers(stores) == -(-(expected + queued + 1) // 4)
