"""Run keys: the same body in any encoding, and what a key may be."""

import pytest

from server.domain.errors import BadRequest
from server.services.run_key import run_key

BODY = {"prompt": "a lake", "steps": 20, "scale": 4.5, "hd": True, "refiner": None, "loras": ["a", "b"]}


def _hash(parameters, model="hevok/studio-trigger"):
    key = run_key("k", model, parameters)
    assert key
    return key.body_hash


def test_the_encoding_does_not_matter():
    form = {"loras": ["a", "b"], "refiner": "", "hd": "true", "scale": "4.5", "steps": "20", "prompt": "a lake"}
    assert _hash(BODY) == _hash(form) == _hash(dict(reversed(BODY.items())))


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a lake "}, {"steps": 21}, {"loras": ["b", "a"]}, {"loras": "ab"}, {"more": "x"}, {"prompt": "A lake"}],
)
def test_the_content_does(change):
    assert _hash(BODY) != _hash({**BODY, **change})
    assert _hash(BODY) != _hash(BODY, "another/model")


def test_what_a_key_may_be():
    assert run_key("", "m", {}) is None
    assert run_key("  ", "m", {}) is None
    for text in ("x", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "a b"):
        key = run_key(f" {text} ", "m", {})
        assert key
        assert key.text == text


@pytest.mark.parametrize("text", ["x" * 256, "ä", "a\tb", "a\x00b", "a\x7f"])
def test_what_it_may_not_be(text):
    with pytest.raises(BadRequest, match="Idempotency-Key"):
        run_key(text, "m", {})
