"""Connections between transactions: which are kept, and which are not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from server.adapters.sql.connections import KEPT
from server.domain.errors import LeaseLost
from tests.stores import Stores, open_sql_stores


@pytest.fixture(params=["sqlite_database_url", "postgres_url"])
def stores(request: pytest.FixtureRequest):
    with open_sql_stores(request.getfixturevalue(request.param)) as opened:
        yield opened


def test_a_connection_is_lent_again_and_what_broke_off_on_it_is_undone(stores: Stores):
    task = stores.submit()
    lent: list[Connection] = []

    def break_off(connection: Connection) -> None:
        lent.append(connection)
        connection.execute(text("DELETE FROM task_events"))
        raise LeaseLost

    with pytest.raises(LeaseLost):
        stores.database.write(break_off)
    stores.database.write(lent.append)
    stores.database.write(lent.append)
    assert lent[0] is not lent[1], "one on which something broke off is closed"
    assert lent[1] is lent[2]
    assert stores.story(task.id).events


def test_no_more_connections_are_kept_than_said(stores: Stores):
    together = threading.Barrier(2 * KEPT)

    def lent_with_the_others(connection: Connection) -> Connection:
        together.wait(30)
        return connection

    with ThreadPoolExecutor(2 * KEPT) as crowd:
        lent = list(crowd.map(lambda _: stores.database.read(lent_with_the_others), range(2 * KEPT)))
    assert len(set(map(id, lent))) == 2 * KEPT
    assert sum(not one.closed for one in lent) == KEPT
