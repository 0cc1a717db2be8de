"""HTTP as clients and browsers speak it (section 1; traps 6, 8, 11, 27, 29)."""

import io
import json
import re
import time

import pytest
from PIL import Image

from tests.serving import BODY
from tests.wire.porch import RUN, error_of, porch, read_answer

UPGRADES = {
    "h2c, as java.net.http sends it": {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    },
    "websocket": {"Connection": "Upgrade", "Upgrade": "websocket"},
    "websocket, complete": {
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "WebSocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
    "something else": {"Connection": "upgrade", "Upgrade": "TLS/1.2, foo"},
}


def whole(body):
    return {"Content-Length": str(len(body))}, body


def chunked(body):
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    return {"Transfer-Encoding": "chunked"}, b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


# ── trap 6 ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("framing", [whole, chunked])
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_trap_06_a_post_that_offers_an_upgrade_keeps_its_body(idle, upgrade, framing):
    headers, body = framing(json.dumps(BODY).encode())

    answer = idle.raw(idle.head_of("POST", f"/v1/{RUN}", {**upgrade, **headers}) + body)

    assert answer.status_code == 200
    run = answer.json()
    assert idle.detail(run["socketaccesstoken"])["parameters"] == BODY


def test_trap_06_the_connection_goes_on_in_http_1(idle):
    body = json.dumps(BODY).encode()
    head = idle.head_of("POST", f"/v1/{RUN}", {**UPGRADES["websocket"], "Content-Length": str(len(body))})

    with idle.tcp() as connection:
        for _ in range(3):
            connection.sendall(head)
            connection.sendall(body)
            assert read_answer(connection).json()["result"] is True


def test_a_body_that_comes_byte_by_byte(idle):
    body = json.dumps(BODY).encode()

    with idle.tcp() as connection:
        for byte in idle.head_of("POST", f"/v1/{RUN}", {"Content-Length": str(len(body))}) + body:
            connection.sendall(bytes([byte]))
        assert read_answer(connection).json()["result"] is True


def test_a_client_that_waits_to_be_told_to_continue(idle):
    """Curl and .NET do so before larger bodies."""
    body = json.dumps(BODY).encode()
    head = idle.head_of("POST", f"/v1/{RUN}", {"Content-Length": str(len(body)), "Expect": "100-continue"})

    with idle.tcp() as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert read_answer(connection).json()["result"] is True


def test_http_1_0(idle):
    headers, body = whole(json.dumps(BODY).encode())
    head = idle.head_of("POST", f"/v1/{RUN}", headers).replace(b"HTTP/1.1", b"HTTP/1.0")

    assert idle.raw(head + body).json()["result"] is True


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "target",
    [
        "/v1//Task/List",
        "//v1/Task/List",
        "/v1/Task/List/",
        "//v1///Task//List//",
        "/v1/Task/List?",
        "/v1/Task/List?x=1",
        "/v1/Task%2FList",
    ],
)
def test_careless_paths_are_answered_without_a_redirect(idle, target):
    answer = idle.raw(idle.head_of("POST", target, {"Content-Length": "2"}) + b"{}")

    assert (answer.status_code, answer.json()["result"]) == (200, True)


def test_a_careless_path_keeps_the_body_of_run(idle):
    headers, body = whole(json.dumps(BODY).encode())

    run = idle.raw(idle.head_of("POST", "/v1//Run//Hevok/studio-trigger/", headers) + body).json()

    assert idle.detail(run["socketaccesstoken"])["parameters"] == BODY


@pytest.mark.parametrize(
    "target",
    [
        "/nothing",
        "/v1",
        "/v1/",
        "/v2/Task/List",
        "/Task/List",
        "/v1/Task",
        "/v1/task/list",
        "/v1/TASK/LIST",
        "/v1/Task/Nothing",
        "/v1/Task/List/more",
        "/v1/Run",
        "/v1/Run/hevok",
        "/v1/Run/hevok/studio-trigger/more",
        "/v1/File/one",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_trap_11_an_unknown_path(idle, method, target):
    answer = idle.raw(idle.head_of(method, target, {"Content-Length": "2"}) + b"{}")

    assert error_of(answer, 404) == (0, "Error parsing url.")


@pytest.mark.parametrize("path", [RUN, "Task/Detail", "Task/List", "Task/Cancel", "Task/Kill"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_trap_11_all_calls_are_post(idle, method, path):
    assert error_of(idle.get(path, method, headers=idle.headers), 404) == (0, "Error parsing url.")


def test_head_of_a_call(idle):
    assert idle.get("Task/List", "HEAD").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(idle, method):
    assert error_of(idle.get("File/a/0.png", method), 404) == (0, "Error parsing url.")


# ── CORS ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", [RUN, "Task/Detail", "Task/List", "Task/Cancel", "Task/Kill"])
def test_a_browser_may_ask_and_post(idle, path):
    asked = {
        "Origin": "https://wiro.ai",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key,x-nonce,x-signature",
    }

    preflight = idle.get(path, "OPTIONS", headers=asked)

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {"content-type", "x-api-key", "x-nonce", "x-signature"} <= {name.strip() for name in allowed.split(",")}
    answer = idle.post(path, {}, headers={**idle.headers, "Origin": "https://wiro.ai"})
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_browser_can_read_refusals(idle):
    assert idle.post("Task/List", {}, headers={"Origin": "null"}).headers["access-control-allow-origin"] == "*"


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def outputs(easel):
    return easel.finish(samples=2)["outputs"]


def test_trap_08_urls_are_absolute_and_escaped(easel, outputs):
    for output in outputs:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1/File/[A-Za-z0-9._~%-]{20,}/[A-Za-z0-9._~%-]+", output["url"])
        assert output["url"].startswith(easel.url)
    assert len({output["url"] for output in outputs}) == 2


def test_trap_08_anyone_may_get_a_picture(easel, outputs):
    for output in outputs:
        answer = easel.get(output["url"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == output["contenttype"] == "image/png"
        assert answer.headers["content-length"] == output["size"] == str(len(answer.content))
        assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


def test_trap_08_head(easel, outputs):
    picture, head = easel.get(outputs[0]["url"]), easel.get(outputs[0]["url"], "HEAD")

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "access-control-allow-origin", "cross-origin-resource-policy"):
        assert head.headers[name] == picture.headers[name]


def test_trap_29_other_origins_may_embed_pictures(easel, outputs):
    for headers in ({}, {"Origin": "https://example.org"}):
        answer = easel.get(outputs[0]["url"], headers=headers)
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_picture_is_served_despite_strange_headers(easel, outputs):
    strange = {**UPGRADES["h2c, as java.net.http sends it"], "x-api-key": "wrong", "Accept": "text/html"}

    assert easel.get(outputs[0]["url"], headers=strange).status_code == 200


def test_files_that_are_not_there(easel, outputs):
    path = outputs[0]["url"].removeprefix(f"{easel.url}/v1/")
    key = path.split("/")[1]
    for wrong in (f"File/{key}/1.png", f"File/{key[:-1]}/0.png", f"File/{key.swapcase()}/0.png", "File/x/0.png"):
        code, message = error_of(easel.get(wrong), 404)
        assert (code, message) == (0, "There is no such file; it may have been deleted.")


@pytest.mark.parametrize("host", ["pictures.example.org", "10.0.0.7:8000", "[::1]:8000", "localhost"])
def test_trap_08_urls_carry_the_name_the_client_used(easel, host):
    run = easel.post(RUN, BODY, headers={**easel.headers, "Host": host}).json()
    easel.follow(run["socketaccesstoken"])

    [output] = easel.detail(run["socketaccesstoken"])["outputs"]

    assert output["url"].startswith(f"http://{host}/v1/File/")


def test_trap_08_urls_carry_the_name_a_proxy_was_called_by(easel):
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "pictures.example.org",
        "X-Forwarded-For": "10.1.2.3",
    }
    run = easel.post(RUN, BODY, headers={**easel.headers, **forwarded}).json()
    easel.follow(run["socketaccesstoken"])

    [output] = easel.detail(run["socketaccesstoken"])["outputs"]

    assert output["url"].startswith("https://pictures.example.org/v1/File/")


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
@pytest.mark.parametrize(
    "host", ["", "a b", "evil.example/path?", "user@evil.example", 'x"><script>', "a\xe4", "x" * 300, ":1"]
)
def test_trap_08_a_host_that_is_none_gives_way_to_the_address(easel, header, host):
    headers, body = whole(json.dumps(BODY).encode())

    run = easel.raw(easel.head_of("POST", f"/v1/{RUN}", {**headers, header: host}) + body).json()
    easel.follow(run["socketaccesstoken"])

    assert easel.detail(run["socketaccesstoken"])["outputs"][0]["url"].startswith(f"http://127.0.0.1:{easel.port}/v1/")


def test_trap_08_urls_carry_the_configured_name(tmp_path):
    with porch(tmp_path, public_url="https://pictures.example.org/easel/") as easel:
        [output] = easel.finish()["outputs"]

    assert re.fullmatch(r"https://pictures\.example\.org/easel/v1/File/[A-Za-z0-9_-]+/0\.png", output["url"])


def test_a_connection_is_kept_for_the_next_request_longer_than_a_proxy_keeps_it(easel):
    with easel.tcp() as connection:
        for pause in (5.5, 0):  # uvicorn's own five seconds would have ended it
            connection.sendall(easel.head_of("GET", "/healthz", {}))
            assert read_answer(connection).status_code == 200
            time.sleep(pause)
