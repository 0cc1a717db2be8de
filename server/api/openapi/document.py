"""The document itself: all calls of all rooms, and what they share."""

from collections import defaultdict
from typing import Final

from models.catalogue import Catalogue
from server.api.openapi import envelope, files, plan_shapes, task_shapes, tool_shapes
from server.api.openapi.files import file_calls
from server.api.openapi.pages import page_calls
from server.api.openapi.runs import input_schemas, run_calls
from server.api.openapi.tasks import task_calls
from server.api.openapi.tools import tool_calls
from server.api.wire import Wire

_ABOUT: Final = """\
easel draws pictures with SDXL and speaks the Wiro API: Run queues a task, Task/Detail shows it, the pictures are its outputs.

Every call under /v1 but the files is a POST. A body is JSON, urlencoded or multipart, whatever its label says, and fields that nobody knows are ignored. \
Nearly every answer is 200: `result` says whether the call succeeded, and `errors` why not.

To follow a task, open a websocket at /v1, without headers, and send `{"type": "task_info", "tasktoken": "…"}`. Each frame is a JSON object; its `type` is the \
task's new status, or `task_output` with the progress as its `message`; `terminal` is true on the last one. With `"preview": true` in that \
message the picture is shown on its way: `task_preview` frames, whose `message` holds a JPEG in base64 as `data`."""  # noqa: E501

_TAGS: Final = {
    "Tasks": "Queue, read and stop tasks.",
    "Files": "Send files, read pictures.",
    "Models": "Which models there are and what they take.",
    "Probes": "For operators and their tools.",
}


def api_document(catalogue: Catalogue, base: str) -> Wire:
    """Return the document. `base` is where clients reach this server."""
    calls = [*run_calls(catalogue), *task_calls(catalogue), *file_calls(), *tool_calls(catalogue), *page_calls()]
    paths: defaultdict[str, Wire] = defaultdict(dict)
    for call in calls:
        paths[call.path][call.method] = call.wire()
    return {
        "openapi": "3.1.0",
        "info": {"title": "easel", "version": "1", "description": _ABOUT},
        "servers": [{"url": base}],
        "tags": [{"name": name, "description": what} for name, what in _TAGS.items()],
        "security": envelope.SECURITY,
        "paths": dict(paths),
        "components": {
            "securitySchemes": envelope.SECURITY_SCHEMES,
            "schemas": {
                **envelope.SCHEMAS,
                **task_shapes.SCHEMAS,
                **plan_shapes.SCHEMAS,
                **files.SCHEMAS,
                **tool_shapes.SCHEMAS,
                **input_schemas(catalogue),
            },
            "responses": envelope.RESPONSES,
        },
    }
