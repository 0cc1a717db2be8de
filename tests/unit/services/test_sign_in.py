"""One-time links: once, for a while, and nothing for a wrong code."""

from dataclasses import dataclass

import pytest

from server.domain.errors import BadRequest
from server.services.projects import Credentials
from server.services.sign_in import LIFETIME, SignInLinks, sign_in_code

CREDENTIALS = Credentials("default", "key", "secret")
BEGIN = 1_700_000_000.0


@dataclass
class Watch:
    now: float = BEGIN

    def __call__(self) -> float:
        return self.now


def test_a_code_is_worth_the_credentials_once():
    links = SignInLinks(Watch(), CREDENTIALS)
    code, other = links.issue(), links.issue()

    assert links.redeem(code) == CREDENTIALS
    with pytest.raises(BadRequest):
        links.redeem(code)
    assert links.redeem(other) == CREDENTIALS
    with pytest.raises(BadRequest):
        links.redeem(code)


def test_whoever_has_the_credentials_can_make_a_code():
    links = SignInLinks(Watch(), CREDENTIALS)
    assert links.redeem(sign_in_code(CREDENTIALS, BEGIN)) == CREDENTIALS


@pytest.mark.parametrize("other", [Credentials("default", "key", "secre"), Credentials("default", "key", None)])
def test_whoever_has_others_can_not(other: Credentials):
    with pytest.raises(BadRequest):
        SignInLinks(Watch(), CREDENTIALS).redeem(sign_in_code(other, BEGIN))


def test_a_code_is_worth_nothing_when_its_time_is_over():
    watch = Watch()
    links = SignInLinks(watch, CREDENTIALS)
    code, late = links.issue(), links.issue()

    watch.now = BEGIN + LIFETIME
    assert links.redeem(code) == CREDENTIALS
    watch.now = BEGIN + LIFETIME + 1
    with pytest.raises(BadRequest, match="too old"):
        links.redeem(late)
    with pytest.raises(BadRequest):
        links.redeem(code)


def test_a_code_of_before_the_start_is_refused():
    watch = Watch()
    used = SignInLinks(watch, CREDENTIALS).issue()
    watch.now += 1
    with pytest.raises(BadRequest):
        SignInLinks(watch, CREDENTIALS).redeem(used)


def test_a_code_made_longer_lived_is_refused():
    said, nonce, signature = sign_in_code(CREDENTIALS, BEGIN).split(".")
    with pytest.raises(BadRequest):
        SignInLinks(Watch(), CREDENTIALS).redeem(f"{int(said) + 500}.{nonce}.{signature}")


@pytest.mark.parametrize("code", ["", "x", ".", "..", "1.2.3", "\ud800", "ü" * 10_000])
def test_a_wrong_code_is_refused(code):
    with pytest.raises(BadRequest):
        SignInLinks(Watch(), CREDENTIALS).redeem(code)
