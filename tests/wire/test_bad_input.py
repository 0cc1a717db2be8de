"""Whatever comes in: a clear answer in Wiro's envelope, nothing in the log, and the next task runs."""

import json
import logging
import socket
from contextlib import contextmanager
from urllib.parse import quote_from_bytes

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.api.body import MAX_BODY
from tests.postgres import Cluster
from tests.serving import BODY
from tests.wire.frames import hold_raw_socket
from tests.wire.porch import RUN, Porch, error_of, porch

UNREADABLE = (0, "Request parameters are invalid.")
NO_PROMPT = (0, "Request parameter [prompt] required")
TOO_LARGE = (0, f"Request body is larger than {MAX_BODY} bytes.")
CALLS = (RUN, "Task/Detail", "Task/List", "Task/Cancel", "Task/Kill")


@contextmanager
def porch_on(kind, request, folder, **options):
    """Serve from SQLite, or from PostgreSQL, which refuses texts that SQLite takes."""
    if kind == "sqlite":
        with porch(folder, **options) as running:
            yield running
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    url = cluster.new_migrated_database()
    with porch(folder, database_url=url, **options) as running:
        yield running
    cluster.drop(url)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def either(request, tmp_path_factory):
    """A server on each kind of database, for texts that reach it."""
    with porch_on(request.param, request, tmp_path_factory.mktemp("either")) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_in_the_log(caplog):
    """What a client does wrong is no error of ours."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []


def runs(easel: Porch) -> bool:
    return easel.finish()["pexit"] == "0"


def json_with(value: bytes, key: bytes = b'"x"') -> bytes:
    return b'{"prompt":"a lake",%b:%b}' % (key, value)


def multipart(*parts: bytes, end: bytes = b"--X--\r\n") -> bytes:
    return b"".join(b"--X\r\n" + part + b"\r\n" for part in parts) + end


def field(name: bytes, value: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name, value)


# ── parameters ───────────────────────────────────────────────────────────────────────────────────────────────────────
WRONG_PARAMETERS = {
    "no prompt": ({"prompt": None}, "[prompt] required"),
    "a blank prompt": ({"prompt": " \n\t"}, "[prompt] required"),
    "an empty prompt": ({"prompt": ""}, "[prompt] required"),
    "a prompt that is a placeholder": ({"prompt": "/* prompt value */"}, "[prompt] required"),
    "a prompt that is a list": ({"prompt": ["a"]}, "[prompt] must be text"),
    "a prompt that is an object": ({"prompt": {}}, "[prompt] must be text"),
    "a prompt that is true": ({"prompt": True}, "[prompt] must be text"),
    "a prompt that is too long": ({"prompt": "a" * 10_001}, "[prompt] must be at most 10000 characters"),
    "width 1025": ({"width": 1025}, "[width] must be a multiple of 8"),
    "width 63": ({"width": "63"}, "[width] must be between 64 and 2048"),
    "height -8": ({"height": -8}, "[height] must be between 64 and 2048"),
    "steps abc": ({"steps": "abc"}, "[steps] must be integer or float"),
    "steps 1.5": ({"steps": 1.5}, "[steps] must be an integer"),
    "steps []": ({"steps": []}, "[steps] must be integer or float"),
    "steps true": ({"steps": True}, "[steps] must be integer or float"),
    "samples 10⁹": ({"samples": 10**9}, "[samples] must be between 1 and 8"),
    "samples 10⁹ as text": ({"samples": "1000000000"}, "[samples] must be between 1 and 8"),
    "samples -1": ({"samples": "-1"}, "[samples] must be between 1 and 8"),
    "samples in Arabic": ({"samples": "١٢"}, "[samples] must be integer or float"),
    "samples of 4,000 digits": ({"samples": 10**4000}, "[samples] must be between 1 and 8"),
    "samples of 5,000 digits": ({"samples": "9" * 5000}, "[samples] must be integer or float"),
    "samples 1_0": ({"samples": "1_0"}, "[samples] must be integer or float"),
    "samples 0x1": ({"samples": "0x1"}, "[samples] must be integer or float"),
    "scale NaN": ({"scale": "NaN"}, "[scale] must be integer or float"),
    "scale Infinity": ({"scale": "Infinity"}, "[scale] must be integer or float"),
    "scale 1e400": ({"scale": "1e400"}, "[scale] must be integer or float"),
    "scale 1e99": ({"scale": 1e99}, "[scale] must be between 0 and 30"),
    "highNoiseFrac 2": ({"highNoiseFrac": "2"}, "[highNoiseFrac] must be between 0 and 1"),
    "seed abc": ({"seed": "abc"}, "[seed] must be integer or float"),
    "seed 2⁶³": ({"seed": 2**63}, "[seed] must be between 0 and 9223372036854775807"),
    "an unknown scheduler": ({"scheduler": "Nothing"}, "[scheduler] must be one of: EulerDiscreteScheduler, "),
    "a scheduler that is a list": ({"scheduler": []}, "[scheduler] must be text"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG_PARAMETERS.values(), ids=WRONG_PARAMETERS)
def test_wrong_parameters_are_named(easel, wrong, message):
    code, text = error_of(easel.post(RUN, {**BODY, **wrong}))

    assert (code, text[: len("Request parameter ") + len(message)]) == (0, f"Request parameter {message}")
    assert len(text) < 600


@pytest.mark.parametrize(
    "slug",
    ["hevok/nothing", "%ff%fe/%00", "a%00/b", "..%5C..%5Cetc/passwd", "%F0%9F%98%80/x", "%zz/%", "x" * 5000 + "/y"],
)
def test_unknown_models(easel, slug):
    target = f"/v1/Run/{slug}"

    answer = easel.raw(easel.head_of("POST", target, {"Content-Length": "2"}) + b"{}")

    assert error_of(answer) == (1, "slug-owner-project-not-exist")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────
UNREADABLE_BODIES = {
    "NaN": json_with(b"NaN"),
    "Infinity": json_with(b"-Infinity"),
    "1e400": json_with(b"1e400"),
    "an integer of 5,000 digits": json_with(b"9" * 5000),
    "a megabyte of brackets": b"[" * 999_999,
    "a megabyte of brackets in an object": b'{"a":' + b"[" * 999_990,
    "a megabyte of objects": b'{"a":' * 199_999,
    "forty levels": json_with(b"[" * 40 + b"]" * 40),
    "half an object": b'{"prompt":"a lake"',
    "text after the object": b'{"prompt":"a lake"} x',
    "two objects": b'{"prompt":"a"}{"prompt":"b"}',
    "single quotes": b"{'prompt':'a'}",
    "a comma too many": b'{"prompt":"a",}',
    "a list": b'[{"prompt":"a"}]',
    "an empty list": b"[]",
    "a string": b'"prompt"',
    "invalid UTF-8 in a value": json_with(b'"\xff\xfe"'),
    "invalid UTF-8 in a key": json_with(b"1", b'"\xc3"'),
    "an encoded surrogate": json_with(b'"\xed\xa0\x80"'),
    "Latin-1": json_with('"ä"'.encode("latin-1")),
    "UTF-16": '{"prompt":"a"}'.encode("utf-16"),
    "a bare NUL": json_with(b'"\x00"'),
    "NUL in an unknown key's value": json_with(rb'"\u0000"'),
    "NUL in a known key's value": json_with(rb'"a\u0000b"', b'"negativePrompt"'),
    "NUL in a key": json_with(b"1", rb'"a\u0000"'),
    "NUL deep inside": json_with(rb'[{"a":["\u0000"]}]'),
    "a lone surrogate in a known key's value": json_with(rb'"\ud800"', b'"prompt"'),
    "a lone surrogate in an unknown key's value": json_with(rb'"a\udfff"'),
    "a lone surrogate in a key": json_with(b"1", rb'"\ud800"'),
    "a lone surrogate in a key deep inside": json_with(rb'{"a":{"\ud800":1}}'),
    "33 levels": json_with(b"[" * 32 + b"]" * 32),
    "501 keys": json.dumps({"prompt": "a", **{f"key{number}": 1 for number in range(500)}}).encode(),
    "1,000 keys": json.dumps({"prompt": "a", **{f"key{number}": 1 for number in range(1000)}}).encode(),
    "a form of 1,000 fields": b"prompt=a&" + b"&".join(b"key%d=1" % number for number in range(1000)),
    "a form that repeats a field": b"prompt=a" + b"&x=1" * 1000,
    "ampersands": b"&" * 100_000,
    "a form with escaped NUL": b"prompt=a%00b",
    "a form with invalid UTF-8": b"prompt=\xff",
    "a form with escaped invalid UTF-8": b"prompt=a&x=%ff%fe",
    "a form with an encoded surrogate": b"prompt=%ED%A0%80",
    "multipart with invalid UTF-8": multipart(field(b"prompt", b"\xff\xfe")),
    "multipart with Latin-1": multipart(field(b"prompt", "Käse".encode("latin-1"))),
    "multipart with invalid UTF-8 in a name": multipart(field(b"\xff", b"a")),
    "multipart with NUL": multipart(field(b"prompt", b"a\0b")),
    "multipart with NUL in a name": multipart(field(b"a\0b", b"a")),
    "multipart without a name": multipart(b"Content-Disposition: form-data\r\n\r\na"),
    "multipart without a disposition": multipart(b"Content-Type: text/plain\r\n\r\na"),
    "multipart with 1,000 parts": multipart(*[field(b"key%d" % number, b"a") for number in range(1000)]),
    "multipart that ends early": b'--X\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lake',
    "multipart with a broken header": multipart(b"Content-Disposition: form-data\x00\x01\r\n: :\r\n\r\na"),
}


@pytest.mark.parametrize("body", UNREADABLE_BODIES.values(), ids=UNREADABLE_BODIES)
def test_unreadable_bodies(easel, body):
    for path in CALLS:
        assert error_of(easel.post(path, content=body)) == UNREADABLE


def test_too_many_files_for_one_run(easel):
    """Whether the model takes any or not; Run alone says so, as the other calls do not look at files."""
    parts = [b'Content-Disposition: form-data; name="f%d"; filename="%d.png"\r\n\r\nx' % (n, n) for n in range(21)]

    refused = easel.post(RUN, content=multipart(field(b"prompt", b"a"), *parts))

    assert error_of(refused) == (0, "Request files: at most 20 files can be sent at once.")
    run = easel.post(RUN, content=multipart(field(b"prompt", b"a"), *parts[:20])).json()
    assert run["result"] is True
    easel.post("Task/Kill", {"taskid": run["taskid"]})


BODIES_WITHOUT_A_PROMPT = {
    "null": b"null",
    "a number": b"123",
    "words": b"hello there",
    "a form without a value": b"prompt",
    "bytes": bytes(range(1, 32)),
    "equals signs": b"=" * 1000,
    "percent signs": b"%" * 10_000 + b"%zz=%",
    "multipart that is empty": b"--X--\r\n",
    "multipart of another boundary": multipart(field(b"x", b"y")) + b"--Y\r\n" + field(b"prompt", b"a") + b"\r\n--Y--",
}


@pytest.mark.parametrize("body", BODIES_WITHOUT_A_PROMPT.values(), ids=BODIES_WITHOUT_A_PROMPT)
def test_bodies_in_which_there_is_no_prompt(easel, body):
    assert error_of(easel.post(RUN, content=body)) == NO_PROMPT
    assert error_of(easel.post("Task/Detail", content=body))[0] == 0


READABLE_BODIES = {
    "duplicate keys": b'{"prompt":"a","steps":"abc","steps":"3"}',
    "twenty levels": json_with(b"[" * 20 + b"]" * 20),
    "32 levels": json_with(b"[" * 31 + b"]" * 31),
    "500 keys": json.dumps({"prompt": "a", **{f"key{number}": 1 for number in range(499)}}).encode(),
    "an integer of 4,000 digits": json_with(b"9" * 4000),
    "a tiny number": json_with(b"1e-400"),
    "a surrogate pair": json_with(rb'"\ud83d\ude00"'),
    "400 keys": json.dumps({"prompt": "a", **{f"key{number}": 1 for number in range(400)}}).encode(),
    "a long unknown value": json_with(b'"%b"' % (b"a" * 900_000)),
    "a long key": json_with(b"1", b'"%b"' % (b"a" * 900_000)),
    "keys that look like code": json_with(b"1", b'"__proto__\'; DROP TABLE tasks; --"'),
    "a multipart field of 64 KiB": multipart(field(b"prompt", b"a"), field(b"x", b"a" * 65_536)),
    "a hundred multipart fields": multipart(
        field(b"prompt", b"a"), *[field(b"key%d" % number, b"a") for number in range(99)]
    ),
}


@pytest.mark.parametrize("body", READABLE_BODIES.values(), ids=READABLE_BODIES)
def test_strange_bodies_that_can_be_read(either, body):
    run = either.post(RUN, content=body).json()

    assert run["result"] is True
    assert either.detail(run["socketaccesstoken"])["parameters"]["prompt"] == "a" if b"lake" not in body else "a lake"
    either.post("Task/Kill", {"taskid": run["taskid"]})


@pytest.mark.parametrize("size", [MAX_BODY + 1, 2_000_000, 20_000_000])
@pytest.mark.parametrize("path", CALLS)
def test_a_body_over_the_limit(easel, path, size):
    body = json_with(b'"%b"' % (b"a" * size))

    assert error_of(easel.post(path, content=body)) == TOO_LARGE


def test_a_body_over_the_limit_in_chunks(easel):
    def pieces():
        for _ in range(300):
            yield b"a" * 10_000

    assert error_of(easel.post(RUN, content=pieces())) == TOO_LARGE


def test_a_body_over_the_limit_without_a_key(easel):
    answer = easel.post(RUN, content=b"a" * 20_000_000, headers={})

    assert error_of(answer, 401) == (0, "Project authorization is not founded.")


def test_the_connection_of_a_large_body_can_be_used_again(easel):
    with httpx2.Client(trust_env=False, verify=False, headers=easel.headers) as client:
        for size in (2_000_000, 20_000_000, 10):
            answer = client.post(f"{easel.url}/v1/Task/Detail", content=b"a" * size)
            assert error_of(answer)[0] == 0


# ── heads ────────────────────────────────────────────────────────────────────────────────────────────────────────────
STRANGE_VALUES = [b"\xff\xfe", "ключ".encode(), b"\xc3", b"a b c", b"\t", b"'\"\\;--", b"x" * 8000]


@pytest.mark.parametrize("value", STRANGE_VALUES)
@pytest.mark.parametrize("name", ["x-api-key", "x-nonce", "x-signature"])
def test_strange_credentials(easel, name, value):
    headers = {**{key: text.encode() for key, text in easel.headers.items()}, name: value}
    lines = b"".join(b"%b: %b\r\n" % (key.encode(), text) for key, text in headers.items())

    answer = easel.raw(b"POST /v1/Task/List HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n%b\r\n{}" % lines)

    assert error_of(answer, 401)[1].startswith("Project ")


@pytest.mark.parametrize("size", [8_000, 20_000, 60_000])
def test_long_heads(easel, size):
    """Some browsers carry long cookies about."""
    answer = easel.raw(easel.head_of("POST", "/v1/Task/List", {"Content-Length": "2", "Cookie": "a" * size}) + b"{}")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["%ff/%fe", "%00/0.png", "a%00b/0.png", "a/%00", "..%2f..%2fetc/passwd", "%zz/%", "a/..%5c", "x" * 9000 + "/0.png"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_garbage_in_a_files_path(either, method, path):
    answer = either.raw(either.head_of(method, f"/v1/File/{path}", {}, signed=False))

    assert answer.status_code == 404
    if method == "GET":
        error_of(answer, 404)


@pytest.mark.parametrize(
    "path", ["/v1/%ff", "/v1/Task/%00", "/v1/Task/List%00", "/%2e%2e/%2e%2e", "/v1/../v1", "/v1/Run/%2f/%2f"]
)
def test_garbage_in_a_path(easel, path):
    answer = easel.raw(easel.head_of("POST", path, {"Content-Length": "2"}) + b"{}")

    assert error_of(answer, 404) == (0, "Error parsing url.")


NO_HTTP = {
    "nothing": b"",
    "a line": b"hello\r\n\r\n",
    "bytes": bytes(range(256)) * 20,
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "half a request": b"POST /v1/Task/List HTTP/1.1\r\nHost: x\r\nContent-Le",
    "a head without an end": b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 50_000,
    "a non-ASCII target": b"GET /v1/\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a header": b"GET /v1 HTTP/1.1\r\nHost: x\r\na: \0\r\n\r\n",
    "a negative length": b"POST /v1/Task/List HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /v1/Task/List HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a wrong chunk": b"POST /v1/Task/List HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a handshake without a key": b"GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("garbage", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http(easel, garbage):
    with easel.tcp() as connection, connection.makefile("rb") as stream:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            answer = stream.read()
        except OSError:
            answer = b""  # it hung up in the middle

    assert b"HTTP/1.1 5" not in answer
    assert easel.post("Task/List", {}).status_code == 200


@pytest.mark.parametrize("length", ["1000", "2000000"])
def test_a_caller_that_hangs_up_in_the_middle_of_a_body(easel, length):
    for path in CALLS:
        with easel.tcp() as connection:
            connection.sendall(easel.head_of("POST", f"/v1/{path}", {"Content-Length": length}) + b'{"prompt":"a lake"')

    assert runs(easel)  # and by then the server has noticed


def test_garbage_after_the_handshake(easel):
    for garbage in (b"\xff" * 100, b"\x81\x05hello", b"\x81\xfe", b"GET / HTTP/1.1\r\n\r\n", b"\x88\x81\0\0\0\0x"):
        with hold_raw_socket(easel.port) as connection:
            connection.send_bytes(garbage)
    for message in ("x" * 70_000, b"\0" * 70_000):  # over the limit: closed, and only this socket
        with easel.socket() as connection:
            connection.send(message)

    assert runs(easel)


@pytest.mark.parametrize("token", ["a\0b", "\0", "\ud800", "\x7f", "a" * 60_000, "' OR 1=1 --"])
def test_a_token_that_none_can_be(either, token):
    run = either.run()
    with either.socket() as connection:
        for wanted in (token, run["socketaccesstoken"]):
            connection.send(json.dumps({"type": "task_info", "tasktoken": wanted}))
        types = [json.loads(connection.recv(10))["type"] for _ in range(3)]
        assert types == ["connected", "error", "task_queue"]


def test_after_all_that_a_task_runs(easel):
    assert runs(easel)


# ── anything ─────────────────────────────────────────────────────────────────────────────────────────────────────────
KEYS = st.sampled_from(
    [
        *("prompt", "samples", "steps", "scale", "seed", "width", "refiner", "scheduler", "callbackUrl", "taskid"),
        *("tasktoken", "socketaccesstoken", "start", "limit", "order", "modelName", "negativePrompt", "stepsRefiner"),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.sampled_from(["0", "1", "-1", "1e9", ""])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS | TEXTS, VALUES, max_size=8)
BODIES = st.one_of(
    OBJECTS.map(lambda fields: json.dumps(fields).encode()),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.lists(st.tuples(KEYS, st.binary(max_size=30)), max_size=8).map(
        lambda pairs: b"&".join(b"%b=%b" % (key.encode(), quote_from_bytes(value).encode()) for key, value in pairs)
    ),
    st.lists(st.tuples(KEYS, st.binary(max_size=30)), min_size=1, max_size=8).map(
        lambda pairs: multipart(*[field(key.encode(), value) for key, value in pairs])
    ),
    st.lists(st.binary(max_size=60), min_size=1, max_size=3).map(
        lambda heads: multipart(*[b"Content-Disposition: form-data; " + head for head in heads])
    ),
    st.binary(max_size=200),
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def client(request, tmp_path_factory):
    """A connection to a server that draws nothing, so that whatever is accepted costs nothing."""
    with (
        porch_on(request.param, request, tmp_path_factory.mktemp("fuzzed"), worker=False) as running,
        httpx2.Client(
            base_url=f"{running.url}/v1/", trust_env=False, verify=False, headers=running.headers
        ) as connection,
    ):
        yield connection


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(CALLS), body=BODIES)
def test_any_body_is_answered_in_the_envelope(client, path, body):
    answer = client.post(path, content=body)

    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)
    assert answer.json()["result"] in (True, False)
    if not answer.json()["result"]:
        error_of(answer)


@settings(max_examples=30, deadline=None)
@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), method=st.sampled_from(["POST", "GET"]))
def test_any_path_is_answered_in_the_envelope(client, path, method):
    answer = client.request(method, quote_from_bytes(path.encode(), safe="/").lstrip("/"), content=b"{}")

    assert answer.status_code in {200, 404}
    assert isinstance(answer.json(), dict)
    if answer.status_code == 404:
        error_of(answer, 404)
