"""HEAD, as monitors and checkers of links ask: what GET answers, without its body."""

import httpx2
import pytest

PLACES = ["/healthz", "/readyz", "/", "/models", "/docs", "/openapi.json", "/models/hevok/studio-trigger/cover.png"]


@pytest.mark.parametrize("place", PLACES)
def test_a_head_is_answered_as_a_get_is(idle, place: str):
    told, shown = (httpx2.request(method, idle.url + place, trust_env=False) for method in ("HEAD", "GET"))
    assert told.status_code == shown.status_code == 200
    assert told.content == b""
    assert told.headers["content-type"] == shown.headers["content-type"]
