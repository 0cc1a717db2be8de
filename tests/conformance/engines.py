"""Which engines a test of the conformance suite runs with."""

import pytest

both_engines = pytest.mark.parametrize("server", ["fake", "miniature"], indirect=True)
"""With pixels that are drawn and with pixels that are not."""
fake_then_miniature = pytest.mark.parametrize(
    "server", ["fake", pytest.param("miniature", marks=pytest.mark.slow)], indirect=True
)
"""The same; the second time is for `make test-long`."""
