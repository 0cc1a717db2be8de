"""File/FolderCreate and File/Upload (3.10, 3.11; traps 8, 21, 29)."""

import re
import socket
from urllib.parse import quote

import httpx2
import pytest

from server.api.body_stream import Pace
from server.api.forms import MAX_FIELD
from server.domain.files import MAX_FILE
from tests.serving import signed
from tests.wire.porch import error_of, porch
from tests.wire.uploading import LABEL, files_below, form, part, png, upload, uploaded, zipped

KEYS = {"id", "name", "contenttype", "size", "parentid", "url", "addedtime", "accesskey"}


def folder(easel, name, **fields):
    return easel.post("File/FolderCreate", {"name": name, **fields}).json()


# ── 3.10 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_3_10_a_folder_has_this_shape(idle):
    answer = folder(idle, "inputs_2026-A")

    assert set(answer) == {"result", "errors", "list"}
    assert (answer["result"], answer["errors"]) == (True, [])
    [made] = answer["list"]
    assert set(made) == {"id", "name", "parentid", "size", "contenttype", "addedtime"}
    assert all(isinstance(value, str) for value in made.values())
    assert (made["name"], made["parentid"], made["size"], made["contenttype"]) == ("inputs_2026-A", "0", "0", "")
    assert re.fullmatch("[1-9][0-9]*", made["id"])
    assert re.fullmatch("[0-9]{10}", made["addedtime"])
    [inner] = folder(idle, "inner", parentid=made["id"])["list"]
    assert inner["parentid"] == made["id"]
    assert folder(idle, "inner", parentid=int(made["id"]))["list"] == [inner]


@pytest.mark.parametrize("name", ["a b", "a/b", "..", "ä", "a\nb", "x" * 256, True, ["a"], {"a": 1}, 1.5])
def test_3_10_bad_folder_names(idle, name):
    said = error_of(idle.post("File/FolderCreate", {"name": name}))
    assert said == (0, "Request parameter [name] must be at most 255 letters, digits, - and _")


@pytest.mark.parametrize("name", [None, "", "  "])
def test_3_10_no_folder_name(idle, name):
    assert error_of(idle.post("File/FolderCreate", {"name": name})) == (0, "Request parameter [name] required")


@pytest.mark.parametrize("parent", ["4711", "-1", "a", "9" * 30, "²", ["1"], True])
def test_3_10_unknown_folders(idle, parent):
    assert error_of(idle.post("File/FolderCreate", {"name": "a", "parentid": parent}))[0] == 1
    if isinstance(parent, str):
        assert error_of(upload(idle, png(), folderid=parent))[0] == 1


# ── 3.11 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_3_11_an_upload_has_this_shape(idle):
    [inside] = folder(idle, "shape")["list"]
    answer = upload(idle, png(), 'größe 50% + \\x "q".png', folderid=inside["id"])

    assert set(answer.json()) == {"result", "errors", "list"}
    [file] = answer.json()["list"]
    assert set(file) == KEYS
    assert all(isinstance(value, str) for value in file.values())
    assert file["name"] == 'x "q".png'  # a backslash ends a folder of its sender
    assert (file["contenttype"], file["size"], file["parentid"]) == ("image/png", str(len(png())), inside["id"])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1/File/[A-Za-z0-9_-]{32}/x%20%22q%22\.png", file["url"])
    assert file["accesskey"] in file["url"]


def test_3_11_raw_names_round_trip(idle):
    for name in ("漢字 😀.png", 'a "b".png', "a%20b.png", "a;b=c.png", "größe.png", "x" * 251 + ".png"):
        file = uploaded(idle, png(), name)
        assert file["name"] == name
        assert file["url"].isascii()
        assert file["url"].endswith(quote(name, safe=""))
        answer = idle.get(file["url"])
        assert (answer.status_code, answer.content) == (200, png())


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\fotos\\a.png", "a.png"),
        ("a\x01\u202eb.png", "ab.png"),
        ("..", "file"),
        ("/", "file"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
    ],
)
def test_3_11_a_name_is_a_plain_name(idle, sent, kept):
    assert uploaded(idle, png(), sent)["name"] == kept


MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"
TYPES = {
    "a.png": (png(), "image/png"),
    "lies.jpg": (png(), "image/png"),
    "noending": (png(), "image/png"),
    "a.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
    "a.gif": (b"GIF89a\1\0\1\0", "image/gif"),
    "a.webp": (b"RIFF\x1a\0\0\0WEBPVP8L", "image/webp"),
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
    "a.mp4": (MP4, "video/mp4"),
    "a.mov": (b"\0\0\0\x14ftypqt  \0\0\0\0", "video/quicktime"),
    "a.m4a": (b"\0\0\0\x18ftypM4A \0\0\0\0", "audio/mp4"),
    "a.webm": (b"\x1aE\xdf\xa3\x9fB\x86", "video/webm"),
    "a.mp3": (b"ID3\4\0", "audio/mpeg"),
    "bare.mp3": (b"\xff\xfb\x90d", "audio/mpeg"),
    "a.wav": (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
    "a.pdf": (b"%PDF-1.7\n", "application/pdf"),
    "a.csv": (b"a,b\n", "text/csv"),
    "a.TXT": (b"<script>alert(1)</script>", "text/plain"),
    "a.md": (b"# a", "text/markdown"),
    "a.docx": (zipped(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "a.xlsx": (zipped(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "a.pptx": (zipped(), "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    "a.epub": (zipped(), "application/epub+zip"),
    "a.zip": (zipped(), "application/zip"),
    "zip.png": (zipped(), "application/zip"),
    "page.html": (b"<html><script>alert(1)</script>", "application/octet-stream"),
    "a.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream"),
    "page.png": (b"<html>", "application/octet-stream"),
    "a.docx.exe": (b"MZ", "application/octet-stream"),
}
SHOWN = ("image/", "video/", "audio/", "application/pdf")


@pytest.mark.parametrize("name", TYPES)
def test_3_11_types_come_from_the_bytes_and_the_name(idle, name):
    content, kind = TYPES[name]
    sent = form(part("file", content, name, "text/html"))  # the part's own word counts for nothing
    [file] = idle.post("File/Upload", content=sent, headers={**idle.headers, **LABEL}).json()["list"]

    assert file["contenttype"] == kind
    answer = idle.get(file["url"])
    assert answer.content == content
    assert answer.headers["content-type"].split(";")[0] == kind
    how = answer.headers["content-disposition"].split(";")[0]
    assert how == ("inline" if kind.startswith(SHOWN) else "attachment")


def test_3_11_several_files_at_once(idle):
    body = form(part("file", b"a", "a.txt"), part("folderid", b"0"), part("file", b"bb", "b.txt"))
    answer = idle.post("File/Upload", content=body, headers={**idle.headers, **LABEL}).json()
    assert [(file["name"], file["size"]) for file in answer["list"]] == [("a.txt", "1"), ("b.txt", "2")]


def test_3_11_as_httpx_writes_it(idle):
    for content in (b"", b"a", b"\r\n--" * 1000, bytes(range(256)) * 5000):
        answer = idle.post("File/Upload", files={"file": ("größe.txt", content)}, data={"folderid": ""}).json()
        assert idle.get(answer["list"][0]["url"]).content == content


NO_FILES = {
    "JSON": b'{"file": "http://example.org/a.png"}',
    "nothing": b"",
    "a field": form(part("file", b"text")),
    "another name": form(part("image", b"x", "a.png")),
    "an empty file input of a browser": form(part("file", b"", "")),
}


@pytest.mark.parametrize("body", NO_FILES.values(), ids=NO_FILES)
def test_3_11_a_file_is_required(idle, body):
    assert error_of(idle.post("File/Upload", content=body)) == (0, "Request files [file] required")


LIMITS = {
    "21 files": (form(*(part("file", b"a", f"{n}.txt") for n in range(21))), "at most 20 files"),
    "101 fields": (form(*(part(f"f{n}", b"a") for n in range(101))), "are invalid"),
    "a long field": (form(part("folderid", b"1" * (MAX_FIELD + 1))), "[folderid] is larger than 65536 bytes"),
    "no end": (form(part("file", b"a" * 100, "a.txt"))[:-20], "are invalid"),
    "no name": (form(part("file", b"a", "a.txt").replace(b'name="file"; ', b"")), "are invalid"),
    "a bad boundary": (form(part("file", b"a", "a.txt")).replace(b"c1\r\nCont", b"c1xCont"), "required"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_3_11_what_breaks_a_limit_leaves_nothing(idle, case):
    body, text = LIMITS[case]
    before = files_below(idle.settings.files_folder)

    assert text in error_of(idle.post("File/Upload", content=body))[1]
    assert files_below(idle.settings.files_folder) == before


def test_3_11_a_file_over_the_limit(idle):
    """Chunked, so that nobody knows before: refused in words, the connection can be used again, nothing is left."""

    def pieces():
        yield part("file", b"", "a.bin").removesuffix(b"\r\n")
        for _ in range(MAX_FILE // 1_000_000 + 2):
            yield b"a" * 1_000_000
        yield b"\r\n" + form()

    before = files_below(idle.settings.files_folder)
    with httpx2.Client(trust_env=False, verify=False, headers={**idle.headers, **LABEL}, timeout=120) as client:
        answer = client.post(f"{idle.url}/v1/File/Upload", content=pieces())
        assert error_of(answer) == (0, "Request files [file] must be at most 100 MB each")
        assert client.post(f"{idle.url}/v1/Task/List", content=b"{}").json()["result"] is True
    assert files_below(idle.settings.files_folder) == before


def test_3_11_without_a_key_nothing_is_read(idle):
    before = files_below(idle.settings.files_folder)
    assert error_of(upload(idle, png(), headers={"x-api-key": "nobody"}), 401)
    assert files_below(idle.settings.files_folder) == before


def test_3_11_another_projects_folder_is_missing_like_any_other(idle):
    [mine] = folder(idle, "mine")["list"]
    theirs = signed(idle.new_project("others-files"))

    foreign = upload(idle, png(), headers=theirs, folderid=mine["id"])
    missing = upload(idle, png(), headers=theirs, folderid="99999")
    assert error_of(foreign) == error_of(missing)
    assert error_of(foreign)[0] == 1
    inside = idle.post("File/FolderCreate", {"name": "a", "parentid": mine["id"]}, headers=theirs)
    assert error_of(inside) == error_of(missing)


def test_3_11_a_cut_connection_leaves_nothing(idle):
    before = files_below(idle.settings.files_folder)
    body = part("file", b"a" * 3_000_000, "a.bin")
    with idle.tcp() as connection:
        head = idle.head_of("POST", "/v1/File/Upload", {**LABEL, "Content-Length": str(len(body) + 1000)})
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_RDWR)
    idle.post("Task/List", {})
    for _ in range(100):
        if files_below(idle.settings.files_folder) == before:
            return
        idle.post("Task/List", {})
    assert files_below(idle.settings.files_folder) == before


def test_3_11_a_body_that_stalls_is_given_up(tmp_path):
    with porch(tmp_path, worker=False, wired={"pace": Pace(idle=0.3)}) as easel, easel.tcp() as connection:
        head = easel.head_of("POST", "/v1/File/Upload", {**LABEL, "Content-Length": "1000000"})
        connection.sendall(head + part("file", b"a" * 2000, "a.bin"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # head and body may come in two pieces
        assert b"came too slowly" in answer
        assert files_below(easel.settings.files_folder) == []


def test_3_11_the_disk_refuses(tmp_path):
    with porch(tmp_path, worker=False) as easel:
        (tmp_path / "files").write_text("a file where the folder should be")
        answer = upload(easel, png())
        assert answer.status_code == 503
        assert "can't be stored" in answer.json()["errors"][0]["message"]
        (tmp_path / "files").unlink()
        assert uploaded(easel, png())
