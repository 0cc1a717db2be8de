"""The calls that keep files, and the files themselves."""

from collections.abc import Sequence
from typing import Final

from server.api.openapi import samples
from server.api.openapi.envelope import COMMON, KEYED, enveloped, refusal
from server.api.openapi.pieces import (
    Answer,
    Call,
    Example,
    fields,
    in_header,
    in_path,
    inputs,
    listed,
    number_or_text,
    number_text,
    ref,
    text,
)
from server.api.wire import Wire

_KEPT: Final[Wire] = {
    "id": number_text("The id."),
    "name": text("The name."),
    "contenttype": text("Its media type; empty for a folder."),
    "size": number_text("Bytes; 0 for a folder."),
    "parentid": number_text("The folder it is in; 0 for none."),
    "addedtime": number_text("Unix seconds."),
}
SCHEMAS: Final[Wire] = {
    "Folder": fields(_KEPT),
    "Upload": fields(
        {
            **_KEPT,
            "url": text("Absolute; whoever has it may GET it, without a key.", format="uri"),
            "accesskey": text("The unguessable part of its address."),
        }
    ),
}
_FOLDER: Final = inputs(
    {
        "name": text("At most 255 letters, digits, - and _.", pattern="^[A-Za-z0-9_-]{1,255}$"),
        "parentid": number_or_text("The folder to make it in; empty for none."),
    },
    required=["name"],
)
_FORM: Final = inputs(
    {
        "file": {
            "description": "Up to 20 files of 100 MB, as parts of this name.",
            "anyOf": [{"type": "string", "format": "binary"}, listed({"type": "string", "format": "binary"})],
        },
        "folderid": number_or_text("The folder to keep them in; empty for none."),
    },
    required=["file"],
)
_SAMPLE: Final[Wire] = {
    "id": samples.FOLDER_ID,
    "name": "references",
    "parentid": "0",
    "size": "0",
    "contenttype": "",
    "addedtime": "1734513807",
}
_UPLOADED: Final[Wire] = {
    "id": "12",
    "name": "sketch.png",
    "contenttype": "image/png",
    "size": "4",
    "parentid": samples.FOLDER_ID,
    "url": f"{samples.BASE}/v1/File/{samples.ACCESS_KEY}/sketch.png",
    "addedtime": "1734513807",
    "accesskey": samples.ACCESS_KEY,
}


def file_calls() -> Sequence[Call]:
    """Return the calls under /v1/File."""
    return (_folder_create(), _upload(), _file("get"), _file("head"))


def _folder_create() -> Call:
    return Call(
        method="post",
        path="/v1/File/FolderCreate",
        tag="Files",
        name="File/FolderCreate",
        summary="Make a folder; one of that name is returned as it is.",
        body=_FOLDER,
        answers=enveloped("The folder", {"list": listed(ref("Folder"))}),
        common=KEYED,
        keyed=True,
        examples=(
            Example(
                name="folder",
                summary="A folder",
                body={"name": "references"},
                answer={"result": True, "errors": [], "list": [_SAMPLE]},
            ),
            Example(
                name="no name",
                summary="A name is missing",
                body={"parentid": ""},
                answer=refusal("Request parameter [name] required"),
            ),
        ),
    )


def _upload() -> Call:
    return Call(
        method="post",
        path="/v1/File/Upload",
        tag="Files",
        name="File/Upload",
        summary="Keep files, for parameters that take some.",
        description="A form with parts called `file`. Each file gets a public URL under an unguessable address.",
        body=_FORM,
        answers=enveloped("The files", {"list": listed(ref("Upload"))}),
        common=KEYED,
        keyed=True,
        examples=(
            Example(
                name="file",
                summary="A file for a folder",
                body={"file": "@sketch.png", "folderid": samples.FOLDER_ID},
                answer={"result": True, "errors": [], "list": [_UPLOADED]},
            ),
            Example(
                name="no file",
                summary="No file",
                body={"folderid": samples.FOLDER_ID},
                answer=refusal("Request files [file] required"),
            ),
        ),
    )


def _file(method: str) -> Call:
    whole = {"ETag": "What `If-None-Match` and `If-Range` name.", "Content-Length": "Bytes."}
    part = {**whole, "Content-Range": "Which bytes of how many."}
    outside = {"Content-Range": "How many bytes there are."}
    missing = Answer(description="There is no such file, or no longer.", schema=ref("Refusal"))
    anything: Wire | None = None if method == "head" else {}
    answers = {
        200: Answer(description="The file.", media_types=("*/*",), schema=anything, headers=whole),
        206: Answer(description="A part of it.", media_types=("*/*",), schema=anything, headers=part),
        304: Answer(description="The file that the client has."),
        404: missing if method == "get" else Answer(description=missing.description),
        416: Answer(description="A range outside of the file.", headers=outside),
    }
    if method == "head":
        del answers[206]
    return Call(
        method=method,
        path="/v1/File/{accesskey}/{name}",
        tag="Files",
        name="File/Read" if method == "get" else "File/Head",
        summary="Read an output or an upload." if method == "get" else "Read an output's or an upload's headers.",
        description="Its address is its key: nothing else is asked for.",
        parameters=(
            in_path("accesskey", "The file's `accesskey`.", samples.ACCESS_KEY),
            in_path("name", "The file's `name`.", samples.FILE),
            in_header("Range", "One range of bytes, as `bytes=0-99`."),
            in_header("If-None-Match", "The `ETag` of the file that the client has."),
            in_header("If-Range", "The `ETag` of the file of which the client has a part."),
        ),
        answers=answers,
        common=COMMON,
    )
