"""The miniature that ships with easel, loaded as the server loads it."""

from pathlib import Path

import pytest

from tools.miniature.evaluate import Painter

SHIPPED = Path("models/miniature")


@pytest.fixture(scope="session")
def painter() -> Painter:
    return Painter(SHIPPED)
