"""One-time links: once, for a while, and nothing for a wrong code."""

from dataclasses import dataclass

import pytest

from server.domain.errors import BadRequest
from server.services.projects import Credentials
from server.services.sign_in import LIFETIME, SignInLinks

CREDENTIALS = Credentials("default", "key", "secret")


@dataclass
class Watch:
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


def test_a_code_is_worth_the_credentials_once():
    links = SignInLinks(Watch(), CREDENTIALS)
    code, other = links.issue(), links.issue()

    assert links.redeem(code) == CREDENTIALS
    with pytest.raises(BadRequest):
        links.redeem(code)
    assert links.redeem(other) == CREDENTIALS


def test_a_code_is_worth_nothing_when_its_time_is_over():
    watch = Watch()
    links = SignInLinks(watch, CREDENTIALS)
    code, late = links.issue(), links.issue()

    watch.now = LIFETIME
    assert links.redeem(code) == CREDENTIALS
    watch.now = LIFETIME + 0.1
    with pytest.raises(BadRequest, match="too old"):
        links.redeem(late)


@pytest.mark.parametrize("code", ["", "x", "\ud800", "ü" * 10_000])
def test_a_wrong_code_is_refused(code):
    with pytest.raises(BadRequest):
        SignInLinks(Watch(), CREDENTIALS).redeem(code)
