"""GET /v1/File/{accesskey}/{name}: ranges, conditions, headers, and nothing but its own files (trap 29)."""

import pytest

from tests.wire.porch import error_of
from tests.wire.uploading import png, uploaded

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def file(idle):
    return uploaded(idle, b"%PDF-" + CONTENT, "größe.pdf")


@pytest.fixture(scope="module")
def whole(file):
    return b"%PDF-" + CONTENT


def test_trap_29_headers(idle, file, whole):
    for method in ("GET", "HEAD"):
        answer = idle.get(file["url"], method, headers={"Origin": "https://pages.example.org"})
        assert answer.status_code == 200
        assert answer.content == (whole if method == "GET" else b"")
        headers = answer.headers
        assert headers["access-control-allow-origin"] == "*"
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-length"] == str(len(whole))
        assert headers["content-type"] == "application/pdf"
        assert headers["accept-ranges"] == "bytes"
        assert headers["content-disposition"] == "inline; filename=\"gr__e.pdf\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf"


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=5-": (5, None),
    "bytes=100-199": (100, 200),
    "bytes=-7": (-7, None),
    "bytes=255000-999999999": (255000, None),
    "bytes=-999999999": (0, None),
}


@pytest.mark.parametrize("wanted", RANGES)
def test_a_range(idle, file, whole, wanted):
    first, end = RANGES[wanted]
    answer = idle.get(file["url"], headers={"Range": wanted})

    part = whole[first:end]
    start = len(whole) + first if first < 0 else first
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
    assert answer.headers["content-length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=999999-1000000", "bytes=-0"])
def test_a_range_outside(idle, file, whole, wanted):
    answer = idle.get(file["url"], headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=0-1,2-3",
        "bytes=" + ",".join(["0-"] * 1000),
        "bytes=5-4",
        "bytes=-",
        "bytes=a-b",
        "bytes=²-³",
        "items=0-1",
        "bytes=" + "9" * 5000 + "-",
        "",
    ],
)
def test_what_is_no_single_range_means_the_whole_file(idle, file, whole, wanted):
    answer = idle.get(file["url"], headers={"Range": wanted.encode()})
    assert (answer.status_code, answer.content) == (200, whole)


def test_conditions(idle, file, whole):
    tag = idle.get(file["url"], "HEAD").headers["etag"]
    for named in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = idle.get(file["url"], headers={"If-None-Match": named})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert idle.get(file["url"], headers={"If-None-Match": '"x"'}).content == whole
    assert idle.get(file["url"], headers={"If-Range": tag, "Range": "bytes=0-0"}).status_code == 206
    assert idle.get(file["url"], headers={"If-Range": '"x"', "Range": "bytes=0-0"}).status_code == 200


def test_an_empty_file(idle):
    url = uploaded(idle, b"", "empty.txt")["url"]
    assert (idle.get(url).content, idle.get(url).headers["content-length"]) == (b"", "0")
    assert idle.get(url, headers={"Range": "bytes=0-"}).status_code == 416


def test_everything_else_is_404(idle, file):
    key = file["accesskey"]
    for wrong in (
        f"File/{key}/a.pdf",
        f"File/{key[:-1]}/x",
        f"File/{key}",
        f"File/{key}/..%2f..%2feasel.db",
        "File/x/y",
    ):
        assert error_of(idle.get(f"File/{wrong}"), 404)


def test_no_upload_is_found_by_where_it_lies(idle):
    file = uploaded(idle, png(), "where.png")
    path = next(path for path in idle.settings.files_folder.rglob("*") if path.is_file())
    for guess in (path.name, path.parent.name, str(path.relative_to(idle.settings.files_folder))):
        assert idle.get(f"File/{guess}/where.png").status_code == 404
    assert file["accesskey"] not in {path.name for path in idle.settings.files_folder.rglob("*")}
