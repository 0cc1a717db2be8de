"""Budgets of property tests: the same few examples in every `make test`, many and fresh ones in `make test-long`."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

_CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much]
QUICK = settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=_CHECKS)
LONG = settings(max_examples=5000, derandomize=False, deadline=None, suppress_health_check=_CHECKS)

Property = tuple[SearchStrategy[Any], Callable[[Any], None]]
"""What is tried, and what must hold of each."""

budgets = pytest.mark.parametrize(
    "examples", [pytest.param(QUICK, id="quick"), pytest.param(LONG, id="long", marks=pytest.mark.slow)]
)


def each(properties: Mapping[str, Property]) -> pytest.MarkDecorator:
    """Parametrise a test by the properties' names."""
    return pytest.mark.parametrize("about", list(properties))


def hold(examples: settings, wanted: Property) -> None:
    """Try the property."""
    strategy, holds = wanted

    @examples
    @given(strategy)
    def attempt(example: Any) -> None:
        holds(example)

    attempt()
