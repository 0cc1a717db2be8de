"""The API's own document, turned into requests that nobody would write: no 5xx, nothing undocumented, no hang."""

import pytest

from tests.wire.fuzzing import enriched, fuzz

SECONDS = 12
"""For each of the two; then no further request is made."""


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without a key"])
def test_no_request_is_answered_other_than_documented(idle, keyed):
    document = idle.get(f"{idle.url}/openapi.json").json()
    queued = idle.run()
    rich = enriched(
        document,
        tokens=[queued["socketaccesstoken"], queued["taskid"]],
        models=["hevok/studio-trigger", "wiro/text-to-image-sdxl"],
    )

    found = fuzz(rich, idle.url, idle.headers if keyed else {}, examples=6, phases=["fuzzing"], most_seconds=SECONDS)

    assert found.faults == []
    assert found.requests > 0
    assert keyed or 401 in found.statuses or not any("Task" in call for call in found.calls)
