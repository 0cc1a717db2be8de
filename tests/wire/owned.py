"""What a project may own, in every state that matters, and how to tell that nothing of it has changed."""

import secrets
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from server.adapters.files import LocalFiles
from server.adapters.sql.tables import METADATA
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.writes import AddFile, Move
from tests.serving import BODY
from tests.stores import SUCCESS, Stores, picture
from tests.wire.porch import Porch
from tests.wire.uploading import files_below, png, uploaded

MODEL = "tests/painted"
SENT = {**BODY, "inputImage": "https://example.org/a.png"}


@dataclass(frozen=True)
class Theirs:
    """What the owner has: handles of a task in every state that matters, a folder, an upload, an output."""

    handles: dict[str, Any]
    opens: dict[str, Any]


def run(easel: Porch, **parameters: Any) -> dict[str, Any]:
    answer = easel.post(f"Run/{MODEL}", {**SENT, **parameters}).json()
    assert answer["result"] is True, answer
    return answer


def task_in(easel: Porch, stores: Stores, status: TaskStatus) -> dict[str, Any]:
    """The owner's task in that status. Nothing else may be queued."""
    made = run(easel)
    if status is TaskStatus.QUEUE:
        return made
    lease = stores.claim(seconds=3600, model=MODEL).lease
    assert str(lease.task_id) == made["taskid"]
    if status is TaskStatus.CANCEL:
        stores.tasks.cancel(lease.task_id, RUNNING)
    else:
        stores.drive(lease, TaskStatus.START)
        drawn = replace(picture(), size=len(png()), access_key=secrets.token_urlsafe(24))
        LocalFiles(easel.settings.files_folder).write(drawn.key, png())
        stores.tasks.write(lease, [AddFile(drawn)])
    if status is TaskStatus.POSTPROCESS_END:
        for step in (TaskStatus.END, TaskStatus.POSTPROCESS_START, TaskStatus.POSTPROCESS_END):
            stores.tasks.write(lease, [Move(step, ending=SUCCESS if step is TaskStatus.END else None)])
    return made


def own(easel: Porch, stores: Stores) -> Theirs:
    """Make the owner's objects."""
    handles: dict[str, Any] = {}
    opens: dict[str, Any] = {}
    for status in (TaskStatus.START, TaskStatus.POSTPROCESS_END, TaskStatus.CANCEL, TaskStatus.QUEUE):
        made = task_in(easel, stores, status)
        task = easel.detail(made["socketaccesstoken"])
        assert task["status"] == status
        handles |= {
            f"id of a {status}": task["id"],
            f"id of a {status} as a number": int(task["id"]),
            f"token of a {status}": task["socketaccesstoken"],
            f"uuid of a {status}": task["uuid"],
        }
        opens |= {f"output of a {status}": output["url"] for output in task["outputs"]}
    [folder] = easel.post("File/FolderCreate", {"name": "theirs"}).json()["list"]
    file = uploaded(easel, png(), "kept.png", folderid=folder["id"])
    handles |= {
        "id of a folder": folder["id"],
        "id of a folder as a number": int(folder["id"]),
        "id of an upload": file["id"],
        "address of an upload under another name": file["url"].replace("kept.png", "0.png"),
        "access key of an upload, cut": file["accesskey"][:-1],
        "project": task["projectid"],
    }
    assert opens
    return Theirs(handles, {**opens, "upload": file["url"]})


def missing_like(value: Any) -> Any:
    """What nobody has, in the form of `value`."""
    if isinstance(value, int):
        return 987_654_321
    if value.startswith("http"):
        base, key, name = value.rsplit("/", 2)
        return f"{base}/{'Z' * len(key)}/{name}"
    return "987654321" if value.isdigit() and len(value) < 19 else "Z" * len(value)


def everything(easel: Porch) -> dict[str, Any]:
    """All rows but the notes of files on their way, and all files with their bytes."""

    def work(connection: Any) -> dict[str, Any]:
        tables = [table for table in METADATA.sorted_tables if table.name != "dropped_files"]
        return {table.name: connection.execute(select(table).order_by(*table.primary_key)).all() for table in tables}

    rows = easel.database.read(work)
    # What a refused upload leaves aside goes just after its answer.
    kept = [path for path in files_below(easel.settings.files_folder) if path.suffix != ".tmp"]
    return {**rows, "files": {path: path.read_bytes() for path in kept}}
