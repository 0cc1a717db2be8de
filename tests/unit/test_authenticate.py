"""Authentication: what is let in, what is not, and that nobody's failures keep anybody else out."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from server.adapters.memory import MemoryStores
from server.adapters.secret_box import FileKeySecretBox
from server.domain.errors import BadRequest, NotAuthorized
from server.domain.project import AuthMethod
from server.services.authenticate import Proof, authenticate
from server.services.bring import bring_project, read_credentials
from server.services.projects import Credentials, create_project
from server.services.rotate import Part, rotate
from server.services.throttle import FailureThrottle, site_of

NONCE = b"1734513807"


@dataclass
class Shop:
    """Projects, and short words for calling."""

    box: FileKeySecretBox
    stores: MemoryStores = field(default_factory=MemoryStores)

    def create(self, name: str, auth: AuthMethod = AuthMethod.SIGNATURE) -> Credentials:
        return create_project(self.stores, self.box, name, auth)

    def lets_in(self, proof: Proof) -> bool:
        try:
            authenticate(self.stores, self.box, proof)
        except NotAuthorized:
            return False
        return True

    def knows(self, credentials: Credentials) -> bool:
        return self.lets_in(proof_of(credentials))


def proof_of(credentials: Credentials, nonce: bytes = NONCE) -> Proof:
    key = credentials.api_key.encode()
    if credentials.api_secret is None:
        return Proof(key, None, None)
    signature = hmac.new(key, credentials.api_secret.encode() + nonce, hashlib.sha256).hexdigest()
    return Proof(key, nonce, signature.encode())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(FileKeySecretBox(tmp_path / "secret.key"))


# ── what is let in ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("times", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_g14_wrong_signatures_and_the_right_one(shop: Shop, times: int):
    mine = shop.create("mine")
    right = proof_of(mine)
    assert right.signature
    accepted = 0
    for number in range(times):
        forged = hashlib.sha256(b"%d" % number).hexdigest().encode()
        if number % 4 == 1:  # one digit off, at every place
            place = number // 4 % 64
            digit = b"0" if right.signature[place : place + 1] != b"0" else b"1"
            forged = right.signature[:place] + digit + right.signature[place + 1 :]
        accepted += shop.lets_in(replace(right, signature=forged))
    assert accepted == 0
    assert shop.knows(mine)


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": None},
        {"signature": None},
        {"nonce": None, "signature": None},
        {"nonce": b"", "signature": b""},
        {"signature": b" "},
        {"signature": "é".encode() * 32},
        {"signature": b"\xff" * 64},
        {"signature": b"0" * 100_000},
        {"api_key": b""},
        {"api_key": None},
        {"api_key": b"\xff\x00"},
    ],
    ids=str,
)
def test_downgrades_and_junk_are_refused(shop: Shop, change: dict[str, bytes | None]):
    assert not shop.lets_in(replace(proof_of(shop.create("mine")), **change))


def test_a_signature_without_a_nonce_is_refused_even_if_it_fits(shop: Shop):
    assert not shop.lets_in(proof_of(shop.create("mine"), nonce=b""))


@pytest.mark.parametrize(
    ("nonce", "fits"),
    [
        (b"1", True),
        ("١٢٣".encode(), True),
        (b"1_000", True),
        (b"x" * 64, True),
        (b"x" * 1024, True),
        (b"x" * 1025, False),
        (b"a\tb", False),
        (b"a\x7f", False),
    ],
)
def test_any_printable_nonce_of_up_to_1024_bytes(shop: Shop, nonce: bytes, fits: bool):  # noqa: FBT001 a case
    assert shop.lets_in(proof_of(shop.create("mine"), nonce)) is fits


def test_signatures_are_upper_or_lower_case_and_the_last_word_counts(shop: Shop):
    right = proof_of(shop.create("mine"))
    assert right.signature
    for signature in (right.signature.upper(), b"SHA2-256(stdin)= " + right.signature):
        assert shop.lets_in(replace(right, signature=signature))
    for signature in (right.signature + b" x", right.signature[:-1], right.signature + b"0"):
        assert not shop.lets_in(replace(right, signature=signature))


def test_a_key_project_ignores_signatures(shop: Shop):
    mine = shop.create("mine", AuthMethod.KEY)
    assert shop.lets_in(Proof(mine.api_key.encode(), b"1", b"nonsense"))


# ── rotation and revocation ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("part", Part)
def test_both_credentials_are_let_in_until_the_grace_ends(shop: Shop, part: Part):
    old = shop.create("mine")
    made = rotate(shop.stores, shop.box, "mine", part)
    new = Credentials("mine", made.api_key or old.api_key, made.api_secret or old.api_secret)
    assert new != old
    assert (shop.knows(old), shop.knows(new)) == (True, True)
    if part is Part.BOTH:
        assert not shop.knows(replace(new, api_secret=old.api_secret)), "old and new do not mix"
        assert not shop.knows(replace(old, api_secret=new.api_secret))

    shop.stores.end_grace(made.project.id)
    assert (shop.knows(old), shop.knows(new)) == (False, True)


def test_a_third_pair_needs_the_end_of_the_first(shop: Shop):
    first = shop.create("mine")
    made = rotate(shop.stores, shop.box, "mine")
    second = Credentials("mine", made.api_key or "", made.api_secret)
    with pytest.raises(BadRequest, match="--end"):
        rotate(shop.stores, shop.box, "mine")
    assert (shop.knows(first), shop.knows(second)) == (True, True)
    rotate(shop.stores, shop.box, "mine", grace_seconds=0)
    assert (shop.knows(first), shop.knows(second)) == (False, False)


def test_a_key_project_rotates_its_key_alone(shop: Shop):
    old = shop.create("mine", AuthMethod.KEY)
    with pytest.raises(BadRequest, match="no secret"):
        rotate(shop.stores, shop.box, "mine", Part.SECRET)
    made = rotate(shop.stores, shop.box, "mine")
    assert made.api_secret is None
    assert (shop.knows(old), shop.knows(Credentials("mine", made.api_key or "", None))) == (True, True)


@pytest.mark.parametrize("grace", [-1, float("nan"), float("inf"), 400 * 86400])
def test_a_grace_that_makes_no_sense(shop: Shop, grace: float):
    shop.create("mine")
    with pytest.raises(BadRequest, match="grace"):
        rotate(shop.stores, shop.box, "mine", grace_seconds=grace)


def test_a_revoked_project_is_a_stranger(shop: Shop):
    old = shop.create("mine")
    made = rotate(shop.stores, shop.box, "mine")
    both = [old, Credentials("mine", made.api_key or "", made.api_secret)]
    shop.stores.set_revoked(made.project.id, revoked=True)
    for one in both:
        with pytest.raises(NotAuthorized, match="not founded"):
            authenticate(shop.stores, shop.box, proof_of(one))
    shop.stores.set_revoked(made.project.id, revoked=False)
    assert [shop.knows(one) for one in both] == [True, True]


# ── existing credentials ─────────────────────────────────────────────────────────────────────────────────────────────
KEY, SECRET = "k8Tq2mZx9WbYc4RfVn7LpHs3Dg6Ja5Eu", "f3a9c1d27b8e4f60a5c2e19d7b3f8a64c0e5d2b7f1a8934e6c7d0b5a2f9e8c13"


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY}\n{SECRET}\n",
        f"  {KEY} \r\n {SECRET}",
        f'{{"apiKey": "{KEY}", "apiSecret": "{SECRET}"}}',
        f'{{"name": "x", "api_key": "{KEY}", "API-SECRET": "{SECRET}"}}',
    ],
)
def test_an_existing_client_is_let_in(shop: Shop, text: str):
    given = read_credentials(text, "wiro", AuthMethod.SIGNATURE)
    project, warnings = bring_project(shop.stores, shop.box, given)
    assert (project.auth, warnings) == (AuthMethod.SIGNATURE, [])
    assert shop.knows(Credentials("wiro", KEY, SECRET))
    with pytest.raises(BadRequest, match="key exists already"):
        bring_project(shop.stores, shop.box, replace(given, name="again"))


def test_an_existing_key_alone(shop: Shop):
    project, _ = bring_project(shop.stores, shop.box, read_credentials(f"{KEY}\n", "wiro", AuthMethod.KEY))
    assert project.auth is AuthMethod.KEY
    assert shop.knows(Credentials("wiro", KEY, None))


@pytest.mark.parametrize(
    ("text", "auth", "says"),
    [
        ("", "signature", "no key"),
        (KEY, "signature", "no secret"),
        (f"{KEY}\n{SECRET}", "key", "leave out --auth key"),
        (f"{KEY}\n{SECRET}\n{SECRET}", "signature", "more than two lines"),
        ('{"apiKey": ', "signature", "no JSON"),
        ("{" * 100_000, "signature", "no JSON"),
        ('{"apiKey": 5, "apiSecret": "x"}', "signature", "quotes"),
    ],
)
def test_what_cannot_be_read(text: str, auth: str, says: str):
    with pytest.raises(BadRequest, match=says) as raised:
        read_credentials(text, "wiro", AuthMethod(auth))
    assert KEY not in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("secret", "verdict"),
    [
        ("password", "refused"),
        ("my-secret", "refused"),
        ("a" * 200, "refused"),
        ("k8Tq2mZx9WbYc4Rf", "warned"),
        ("0123456789abcdef0123456789abcdef", "kept"),
        ("550e8400-e29b-41d4-a716-446655440000", "kept"),
        (SECRET, "kept"),
        ("mit leerzeichen und viel laenge dahinter", "refused"),
        ("ä" * 20 + KEY, "refused"),
        (SECRET * 5, "refused"),
    ],
)
def test_weak_secrets(shop: Shop, secret: str, verdict: str):
    given = Credentials("wiro", KEY, secret)
    if verdict == "refused":
        with pytest.raises(BadRequest) as raised:
            bring_project(shop.stores, shop.box, given)
        assert secret not in str(raised.value)
        assert shop.stores.all() == []
        return
    _, warnings = bring_project(shop.stores, shop.box, given)
    assert bool(warnings) is (verdict == "warned")
    assert shop.knows(given)


# ── throttled failures ───────────────────────────────────────────────────────────────────────────────────────────────
class FakeClock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_ten_failures_a_minute_with_one_key():
    clock = FakeClock()
    throttle = FailureThrottle(clock, 10)
    assert [throttle.fail("10.0.0.1", "key") for _ in range(10)] == [0] * 10
    assert throttle.fail("10.0.0.1", "key") == 6
    clock.now += 5.9
    assert throttle.fail("10.0.0.1", "key") == 1
    clock.now += 0.2
    assert [throttle.fail("10.0.0.1", "key") for _ in range(2)] == [0, 6]
    clock.now += 3600
    assert [throttle.fail("10.0.0.1", "key") for _ in range(11)] == [0] * 10 + [6]


def test_three_times_as_many_with_any_key():
    throttle = FailureThrottle(FakeClock(), 10)
    waits = [throttle.fail("10.0.0.1", f"key-{number}") for number in range(31)]
    assert waits == [0] * 30 + [2]
    assert throttle.fail("10.0.0.2", "key-1") == 0


def test_an_ipv6_site_is_one_address():
    throttle = FailureThrottle(FakeClock(), 10)
    for number in range(10):
        assert throttle.fail(f"2001:db8:1:2::{number:x}", "key") == 0
    assert throttle.fail("2001:db8:1:2:ffff::1", "key") > 0
    assert throttle.fail("2001:db8:1:3::1", "key") == 0


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("x" * 1000, "x" * 64),
    ],
)
def test_the_site_of_an_address(address: str, site: str):
    assert site_of(address) == site


def test_memory_is_bounded():
    throttle = FailureThrottle(FakeClock(), 1, most=100)
    for number in range(10_000):
        throttle.fail(f"10.0.{number // 256}.{number % 256}", "key")
    assert len(throttle) == 100
    assert throttle.fail("10.0.39.15", "key") > 0, "the last one is remembered"


def test_zero_throttles_nothing():
    throttle = FailureThrottle(FakeClock(), 0)
    assert not any(throttle.fail("10.0.0.1", "key") for _ in range(1000))
