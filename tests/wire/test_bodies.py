"""Any body under any label, on every endpoint (traps 5 and 21)."""

import json
from urllib.parse import urlencode

import pytest

from tests.wire.porch import RUN, error_of

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
FIELDS = {"prompt": "a lake, größer & 50 % + 漢字 😀", "steps": "3", "callbackUrl": "https://example.org/?a=b&c=d"}


def as_json(fields):
    return json.dumps(fields).encode()


def as_utf8_json(fields):
    return json.dumps(fields, ensure_ascii=False, indent=2).encode()


def as_form(fields):
    return urlencode(fields).encode()


def multipart(fields, part):
    parts = [
        b"--Boundary-4f2a\r\n" + part.replace("NAME", name).encode() + value.encode() for name, value in fields.items()
    ]
    return b"\r\n".join([*parts, b"--Boundary-4f2a--\r\n"])


def as_multipart(fields):
    return multipart(fields, 'Content-Disposition: form-data; name="NAME"\r\n\r\n')


def as_dotnet_multipart(fields):
    """The order of .NET and of aiohttp; .NET leaves the quotes out."""
    part = "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=NAME\r\n\r\n"
    return multipart(fields, part)


def as_okhttp_multipart(fields):
    return multipart(fields, 'Content-Disposition: form-data; name="NAME"\r\nContent-Length: LENGTH\r\n\r\n')


def with_files(fields):
    """As alt sends it, a file under a parameter's name included; its bytes are no UTF-8."""
    file = (
        b'--Boundary-4f2a\r\nContent-Disposition: form-data; name="inputImage"; filename="a \\"b\\" \xc3\xa4.png"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\x89PNG\r\n\x00\xff\xfe--Boundary\r\n"
    )
    return file + as_multipart(fields)


MULTIPART = "multipart/form-data; boundary=Boundary-4f2a"
ENCODINGS = {
    "JSON": (as_json, JSON),
    "JSON with a charset": (as_utf8_json, "application/json; charset=utf-8"),
    "JSON after a byte order mark": (lambda fields: b"\xef\xbb\xbf" + as_utf8_json(fields), JSON),
    "JSON after blank lines": (lambda fields: b"\r\n \t" + as_json(fields) + b"\r\n", JSON),
    "JSON labelled as a form": (as_json, FORM),
    "JSON labelled as multipart without a boundary": (as_json, "multipart/form-data"),
    "JSON labelled as multipart with a boundary": (as_json, MULTIPART),
    "JSON labelled as text": (as_json, "text/plain;charset=UTF-8"),
    "JSON without a label": (as_json, None),
    "JSON under an unreadable label": (as_json, ";;=,"),
    "a form": (as_form, FORM),
    "a form with a charset": (as_form, f"{FORM}; charset=UTF-8"),
    "a form labelled as JSON": (as_form, JSON),
    "a form without a label": (as_form, None),
    "a form with %20 for blanks": (lambda fields: as_form(fields).replace(b"+", b"%20"), FORM),
    "multipart": (as_multipart, MULTIPART),
    "multipart with a quoted boundary": (as_multipart, 'multipart/form-data; boundary="Boundary-4f2a"'),
    "multipart labelled as JSON": (as_multipart, JSON),
    "multipart without a label": (as_multipart, None),
    "multipart without a boundary": (as_multipart, "multipart/form-data"),
    "multipart with bare line feeds around": (lambda fields: b"\r\n" + as_multipart(fields) + b"\r\n", MULTIPART),
    "multipart as .NET writes it": (as_dotnet_multipart, MULTIPART),
    "multipart as OkHttp writes it": (as_okhttp_multipart, MULTIPART),
    "multipart with a file": (with_files, MULTIPART),
}


def label(content_type):
    return {} if content_type is None else {"Content-Type": content_type}


@pytest.fixture(params=ENCODINGS)
def send(request, idle):
    encode, content_type = ENCODINGS[request.param]

    def sent(path, fields):
        headers = {**idle.headers, **label(content_type)}
        return idle.post(path, content=encode(fields), headers=headers).json()

    return sent


def test_traps_05_21_run(idle, send):
    run = send(RUN, FIELDS)

    assert run["result"] is True
    assert idle.detail(run["socketaccesstoken"])["parameters"] == FIELDS


@pytest.mark.parametrize("name", ["taskid", "tasktoken", "socketaccesstoken"])
def test_traps_05_21_detail(idle, send, name):
    run = idle.run()

    assert send("Task/Detail", {name: run["socketaccesstoken"]})["tasklist"][0]["id"] == run["taskid"]
    assert send("Task/Detail", {name: run["taskid"]})["tasklist"][0]["id"] == run["taskid"]


def test_traps_05_21_list(idle, send):
    idle.run(), idle.run()

    assert len(send("Task/List", {"start": "0", "limit": "1", "order": "DESC"})["tasklist"]) == 1


@pytest.mark.parametrize("endpoint", ["Cancel", "Kill"])
def test_traps_05_21_cancel_and_kill(idle, send, endpoint):
    run = idle.run()

    assert send(f"Task/{endpoint}", {"taskid": run["taskid"]})["tasklist"][0]["status"] == "task_cancel"


def test_trap_05_unknown_keys_of_any_type(idle):
    unknown = {
        "a": [],
        "b": "",
        "c": {},
        "d": None,
        "e": True,
        "f": 1.5,
        "g": [[{"h": ["x"]}]],
        "": "",
        "ä": 1,
        "a.b[0]": 2,
    }

    run = idle.run(**unknown)
    for path in ("Task/Detail", "Task/Cancel", "Task/Kill"):
        assert idle.post(path, {**unknown, "taskid": run["taskid"]}).json()["result"] is True
    assert idle.post("Task/List", unknown).json()["result"] is True


def test_repeated_fields_of_a_form_become_lists(idle):
    """alt sends arrays as repeated keys."""
    body = as_form(FIELDS) + b"&tags=a&tags=b&tags=c&empty=&flag"

    run = idle.post(RUN, content=body).json()

    task = idle.detail(run["socketaccesstoken"])
    assert task["parameters"] == {**FIELDS, "tags": ["a", "b", "c"], "empty": "", "flag": ""}


def test_repeated_fields_of_multipart_become_lists(idle):
    end = b"--Boundary-4f2a--\r\n"
    body = as_multipart(FIELDS).removesuffix(end) + as_multipart({"tags": "a"}).removesuffix(end)
    body += as_multipart({"tags": "b"})

    run = idle.post(RUN, content=body, headers={**idle.headers, **label(MULTIPART)}).json()

    assert idle.detail(run["socketaccesstoken"])["parameters"] == {**FIELDS, "tags": ["a", "b"]}


def test_multipart_as_httpx_writes_it(idle):
    files = {name: (None, value) for name, value in FIELDS.items()}

    run = idle.post(RUN, files={**files, "image": ("a.png", b"\x89PNG\0\xff", "image/png")}).json()

    assert idle.detail(run["socketaccesstoken"])["parameters"] == FIELDS


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf", b"{}"])
def test_an_empty_body_has_no_fields(idle, body):
    assert error_of(idle.post(RUN, content=body)) == (0, "Request parameter [prompt] required")
    assert error_of(idle.post("Task/Detail", content=body)) == (0, "taskid or socketaccesstoken is required")
    assert idle.post("Task/List", content=body).json()["result"] is True
