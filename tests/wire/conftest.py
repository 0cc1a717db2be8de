"""Running servers for the wire tests, one per module where tests leave each other alone."""

from collections.abc import Iterator

import pytest

from tests.wire.porch import Porch, porch


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Porch]:
    """A server that draws, one task at a time."""
    with porch(tmp_path_factory.mktemp("easel"), stop_seconds=0.5) as running:
        yield running


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Porch]:
    """A server without a worker: its tasks stay in the queue."""
    with porch(tmp_path_factory.mktemp("idle"), worker=False) as running:
        yield running
