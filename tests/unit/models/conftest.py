"""The cards as packaged."""

import pytest

from models.card import Card
from models.catalogue import Catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture(scope="session")
def card(catalogue: Catalogue) -> Card:
    found = catalogue.find("hevok", "studio-trigger")
    assert found is not None
    return found
