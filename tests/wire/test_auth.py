"""Keys and signatures as clients send them (traps 4 and 17, section 2)."""

import hashlib
import hmac

import pytest

from server.domain.project import AuthMethod
from tests.serving import NONCE, signed
from tests.wire.porch import RUN, error_of

ENDPOINTS = (RUN, "Task/Detail", "Task/List", "Task/Cancel", "Task/Kill")
UNKNOWN_KEY = (0, "Project authorization is not founded.")
UNSIGNED = (0, "Project requires signature authentication. x-signature and x-nonce headers are required.")
WRONG = (0, "Project authorization is not valid.")


def let_in(easel, headers):
    answer = easel.post("Task/List", {}, headers=headers)
    return answer.status_code == 200 and answer.json()["result"] is True


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_key(idle, endpoint):
    assert error_of(idle.post(endpoint, {}, headers={}), 401) == UNKNOWN_KEY


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_unknown_key(idle, endpoint):
    assert error_of(idle.post(endpoint, {}, headers={**idle.headers, "x-api-key": "nobody"}), 401) == UNKNOWN_KEY


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("missing", [["x-nonce"], ["x-signature"], ["x-nonce", "x-signature"]])
def test_a_signature_project_refuses_the_key_alone(idle, endpoint, missing):
    headers = {name: value for name, value in idle.headers.items() if name not in missing}

    assert error_of(idle.post(endpoint, {}, headers=headers), 401) == UNSIGNED


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("change", [{"x-nonce": "1"}, {"x-signature": "0" * 64}, {"x-signature": "x"}])
def test_a_wrong_signature(idle, endpoint, change):
    assert error_of(idle.post(endpoint, {}, headers={**idle.headers, **change}), 401) == WRONG


def test_a_signature_made_with_another_projects_secret(idle):
    other = idle.new_project("another")
    forged = signed(type(other)("", idle.credentials.api_key, other.api_secret))

    assert error_of(idle.post("Task/List", {}, headers=forged), 401) == WRONG


def test_authentication_comes_before_the_body(idle):
    assert error_of(idle.post(RUN, content=b"{", headers={}), 401) == UNKNOWN_KEY


@pytest.mark.parametrize(
    "nonce",
    ["1", "0", "1734513807", "1734513807123", "99999999999999", "-5", "550e8400-e29b-41d4-a716-446655440000", "a b"],
)
def test_trap_04_any_nonce_is_fine_and_may_be_used_again(idle, nonce):
    headers = signed(idle.credentials, nonce)

    assert [let_in(idle, headers) for _ in range(3)] == [True] * 3
    assert idle.post(RUN, {"prompt": "a lake"}, headers=headers).json()["result"] is True
    assert idle.post(RUN, {"prompt": "a lake"}, headers=headers).json()["result"] is True


@pytest.mark.parametrize("form", ["SHA2-256(stdin)= {}", "(stdin)= {}", "HMAC-SHA2-256(stdin)= {}", "{}"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_trap_17_a_signature_as_openssl_prints_it(idle, form, case):
    headers = idle.headers

    assert let_in(idle, {**headers, "x-signature": form.format(case(headers["x-signature"]))})


@pytest.mark.parametrize("signature", ["{}0", "{} x", "{}=", "(stdin)={}"])
def test_trap_17_only_the_last_word_counts_and_all_of_it(idle, signature):
    headers = idle.headers

    wrong = {**headers, "x-signature": signature.format(headers["x-signature"])}

    assert error_of(idle.post("Task/List", {}, headers=wrong), 401) == WRONG


@pytest.mark.parametrize(
    "leftover",
    [{}, {"x-nonce": "1", "x-signature": "nonsense"}, {"x-signature": ""}, {"x-nonce": NONCE}],
)
def test_a_key_project_ignores_signatures(idle, leftover):
    project = idle.new_project(f"key {leftover}", AuthMethod.KEY)

    assert let_in(idle, {"x-api-key": project.api_key, **leftover})


def test_other_headers_are_ignored(idle):
    strange = {
        "Authorization": "Bearer whatever",
        "x-wiro-proxy-client-ip": "1.2.3.4",
        "x-wiro-proxy-timestamp": "1734513807123",
        "x-wiro-proxy-signature": "no signature of ours",
        "User-Agent": "WiroKit-ReactNative/1.0",
        "Cookie": "a=b",
    }

    assert let_in(idle, {**idle.headers, **strange})


def test_header_names_in_any_case(idle):
    assert let_in(idle, {name.upper(): value for name, value in idle.headers.items()})


def test_the_signature_is_over_secret_and_nonce_as_utf_8(idle):
    credentials, nonce = idle.credentials, "Käse 漢字".encode()
    message = credentials.api_secret.encode() + nonce
    signature = hmac.new(credentials.api_key.encode(), message, hashlib.sha256).hexdigest()
    head = idle.head_of("POST", "/v1/Task/List", {"x-signature": signature, "x-nonce": "NONCE", "Content-Length": "2"})

    assert idle.raw(head.replace(b"NONCE", nonce) + b"{}").status_code == 200
