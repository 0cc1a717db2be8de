"""Figures that may be some moments old: read once for many who ask."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from server.domain.errors import Unavailable
from server.services.fresh import Fresh


class Source:
    now = 0.0
    readings = 0
    away = False

    def read(self) -> int:
        if self.away:
            raise Unavailable
        self.readings += 1
        return self.readings

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def fresh(source: Source) -> Fresh[int]:
    return Fresh(source.read, source.monotonic, 2.0)


def test_within_its_time_it_is_read_once(source: Source, fresh: Fresh[int]):
    first = fresh()
    source.now = 1.9
    assert fresh() == first
    source.now = 2.0
    assert fresh() == first + 1


def test_many_at_once_cost_one_reading(source: Source, fresh: Fresh[int]):
    together = Barrier(8)

    def ask() -> int:
        together.wait()
        return fresh()

    with ThreadPoolExecutor(8) as pool:
        assert {each.result() for each in [pool.submit(ask) for _ in range(8)]} == {1}


def test_what_can_not_be_read_is_not_kept(source: Source, fresh: Fresh[int]):
    source.away = True
    with pytest.raises(Unavailable):
        fresh()
    source.away = False
    assert fresh() == 1
