"""When to try again, when to give up, and how a webhook is signed."""

import base64
import hashlib
import hmac

import pytest

from server.domain.breaker import Breaker
from server.domain.outbound import NoAnswer, Refused
from server.domain.signature import secret_text, signed_headers
from server.domain.webhook import SCHEDULE, Answer, WebhookState, endpoint_of, judge

AT = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


def test_the_published_schedule_takes_three_days():
    hours = [pause / 3600 for pause in SCHEDULE]
    assert SCHEDULE[:4] == (0, 5, 300, 1800)
    assert hours[4:] == [2, 5, 10, 14, 20, 24]
    assert 75 < sum(hours) < 76


def test_a_receiver_that_never_works_is_tried_ten_times():
    pauses = []
    for tries in range(100):
        verdict = judge(tries, Answer(500), AT, jitter=0)
        pauses.append(verdict.pause)
        if verdict.state is WebhookState.FAILED:
            break
    assert pauses == [*SCHEDULE[1:], None]


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_jitter_only_draws_out(jitter: float):
    pause = judge(2, NoAnswer("…"), AT, jitter).pause
    assert pause is not None
    assert 1800 <= pause <= 1800 * 1.1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226])
def test_2xx_is_success(status: int):
    verdict = judge(0, Answer(status), AT, 0)
    assert (verdict.state, verdict.pause, verdict.status, verdict.reason) == (WebhookState.DELIVERED, None, status, "")


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 400, 401, 404, 429, 500, 502, 503, 504, 199, 600])
def test_everything_else_is_failure_and_tried_again(status: int):
    verdict = judge(0, Answer(status), AT, 0)
    assert (verdict.state, verdict.pause, verdict.status) == (WebhookState.PENDING, 5, status)
    assert str(status) in verdict.reason


def test_a_receiver_that_is_gone_gets_nothing_more():
    verdict = judge(0, Answer(410), AT, 0)
    assert (verdict.state, verdict.pause) == (WebhookState.FAILED, None)
    assert "410" in verdict.reason


def test_a_url_that_can_never_be_used_is_given_up_at_once_and_a_private_one_is_not():
    assert judge(0, Refused("no", for_good=True), AT, 0).state is WebhookState.FAILED
    assert judge(0, Refused("private", permit="backend"), AT, 0).pause == 5


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("120", 120),
        ("1", 5),  # no sooner than the schedule
        ("0", 5),
        ("999999999999", 86400),  # no later than a day
        ("Mon, 21 Sep 2026 14:45:10 GMT", 1910),
        ("Mon, 21 Sep 2020 14:45:10 GMT", 5),
        ("soon", 5),
        ("-7", 5),
        ("1e9", 5),
        ("٣٠٠", 5),
        ("", 5),
    ],
)
def test_retry_after_is_respected_within_bounds(status: int, asked: str, pause: float):
    assert judge(0, Answer(status, asked), AT, 0).pause == pause


def test_retry_after_of_other_answers_says_nothing():
    assert judge(0, Answer(500, "120"), AT, 0).pause == 5


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://a.test/x", "a.test:80"),
        ("https://A.test/y?z", "a.test:443"),
        ("https://a.test.:8443/", "a.test:8443"),
        ("http://[::1]:3000/", "[::1]:3000"),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(url: str, endpoint: str):
    assert endpoint_of(url) == endpoint


# ── Standard Webhooks, checked by its text and not by our code ───────────────────────────────────────────────────────
def verify(headers, body: bytes, secret: str) -> bool:
    """What a receiver does, from the specification."""
    key = base64.b64decode(secret.split("_", 1)[1])
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return any(part.split(",", 1) == ["v1", expected] for part in headers["webhook-signature"].split(" "))


def test_a_known_signature():
    """The example of the specification's reference libraries."""
    body = b'{"test": 2432232314}'
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, body, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_receiver_verifies_by_either_secret_and_by_no_other():
    new, old, other = (secret_text(bytes([n]) * 32) for n in (1, 2, 3))
    headers = signed_headers("msg_1", AT, b"{}", [new, old])
    assert verify(headers, b"{}", new)
    assert verify(headers, b"{}", old)
    assert not verify(headers, b"{}", other)
    assert not verify(headers, b"{ }", new)
    assert not verify({**headers, "webhook-timestamp": "1790000001"}, b"{}", new)
    assert not verify({**headers, "webhook-id": "msg_2"}, b"{}", new)


# ── rest for receivers that give no answer ───────────────────────────────────────────────────────────────────────────
def test_a_silent_endpoint_is_suspect_at_once_and_rests_from_the_third_time_on():
    breaker = Breaker()
    breaker.missed("a:80", 0)
    breaker.missed("a:80", 1)
    assert (breaker.suspects(), breaker.resting(1)) == ({"a:80"}, set())
    breaker.missed("a:80", 2)
    assert breaker.resting(6.9) == {"a:80"}
    assert breaker.resting(7) == set()
    for _ in range(50):
        breaker.missed("a:80", 100)
    assert breaker.resting(159) == {"a:80"}
    assert breaker.resting(160) == set()


def test_one_answer_makes_it_good_again():
    breaker = Breaker()
    for _ in range(5):
        breaker.missed("a:80", 0)
    breaker.missed("b:80", 0)
    breaker.heard("a:80")
    assert (breaker.suspects(), breaker.resting(0)) == ({"b:80"}, set())


def test_it_does_not_grow_without_bound():
    breaker = Breaker()
    for number in range(5000):
        breaker.missed(f"{number}:80", 0)
    assert len(breaker.suspects()) == 1000
    assert "4999:80" in breaker.suspects()
