"""Uploads as clients write them, and a card that takes files."""

import io
import json
import zipfile
from importlib import resources

from PIL import Image

from tests.serving import BODY

BOUNDARY = "Boundary-5f2ab8c1"
LABEL = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
FAMILY = """
[[groups]]
title = "Files"

[[groups.items]]
id = "inputImage"
type = "fileinput"
label = "Image"
required = true

[[groups.items]]
id = "styles"
type = "multifileinput"
label = "Styles"
max_files = 2

[[groups.items]]
id = "extras"
type = "combinefileinput"
label = "Extras"
"""
CARD = """
family = "painted"
owner = "tests"
name = "painted"
title = "Painted"
description = "A picture made of pictures."
categories = ["image-to-image"]
tags = []
cps = 0.0

[weights]
base = ["nowhere"]
"""


def png(width: int = 8, height: int = 8, colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    return buffer.getvalue()


def part(name: str, value: bytes, filename: str | None = None, kind: str = "application/octet-stream") -> bytes:
    """A part as the SDKs write it by hand."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        escaped = filename.replace("\\", "\\\\").replace('"', '\\"')
        head += f'; filename="{escaped}"\r\nContent-Type: {kind}'
    return head.encode() + b"\r\n\r\n" + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def upload(easel, content, name="a.png", *, headers=None, **fields):
    """Upload one file; return the raw answer."""
    body = form(*(part(key, value.encode()) for key, value in fields.items()), part("file", content, name))
    return easel.post("File/Upload", content=body, headers={**(headers or easel.headers), **LABEL})


def uploaded(easel, content, name="a.png", **fields):
    """Upload one file; return its object."""
    answer = upload(easel, content, name, **fields).json()
    assert answer["result"] is True, answer
    [file] = answer["list"]
    return file


def run_form(easel, *parts: bytes):
    """Run the card that takes files, as multipart."""
    plain = [part(key, value.encode()) for key, value in BODY.items()]
    return easel.post("Run/tests/painted", content=form(*plain, *parts), headers={**easel.headers, **LABEL}).json()


def run_json(easel, **parameters):
    return easel.post("Run/tests/painted", content=json.dumps({**BODY, **parameters})).json()


def cards(folder):
    """Write the card into a folder; return the folder."""
    sdxl = resources.files("models").joinpath("cards/sdxl.toml").read_text()
    (folder / "tests").mkdir(parents=True)
    (folder / "painted.toml").write_text(sdxl + FAMILY)
    (folder / "tests" / "painted.toml").write_text(CARD)
    return folder


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]
