"""Wiro's shapes: tasks and files as Wiro shows them. Numbers become strings here, and nowhere else."""

import json
import zlib
from typing import Final

from models.catalogue import Catalogue
from server.domain.file_urls import file_url
from server.domain.files import Folder, Reason, Upload
from server.domain.kill import KillReceipt
from server.domain.lifecycle import TaskStatus
from server.domain.task import Output, Task

Wire = dict[str, object]

_TIMES: Final = {
    "createtime": TaskStatus.QUEUE,
    "canceltime": TaskStatus.CANCEL,
    "assigntime": TaskStatus.ASSIGN,
    "accepttime": TaskStatus.ACCEPT,
    "preprocessstarttime": TaskStatus.PREPROCESS_START,
    "preprocessendtime": TaskStatus.PREPROCESS_END,
    "postprocessstarttime": TaskStatus.POSTPROCESS_START,
    "postprocessendtime": TaskStatus.POSTPROCESS_END,
}

_REMOVED: Final = {
    Reason.CALLER: "The files of this task were deleted on request.",
    Reason.AGE: "The outputs of this task were removed: they were older than this server keeps files.",
    Reason.QUOTA: "The outputs of this task were removed: this server's room for files was used up.",
}


def task_wire(task: Task, catalogue: Catalogue) -> Wire:
    """Return the task object of Task/Detail: Wiro's fields, then ours."""
    owner, _, name = task.model.partition("/")
    card = catalogue.find(owner, name)
    return {
        "id": str(task.id),
        "uuid": task.uuid,
        "name": "",
        "socketaccesstoken": task.token,
        "parameters": task.parameters,
        "debugoutput": task.message,
        "debugerror": task.message,
        "starttime": _seconds(task, TaskStatus.START, ""),
        "endtime": _seconds(task, TaskStatus.END, ""),
        "elapsedseconds": f"{elapsed(task):.4f}",
        "status": task.status.value,
        **_cost(task),
        "guestid": None,
        "projectid": str(task.project_id),
        "modelid": model_id(task.model),
        "description": "",
        "basemodelid": "0",
        "runtype": "model",
        "modelfolderid": "",
        "modelfileid": "",
        "callbackurl": task.callback_url,
        "marketplaceid": None,
        **{field: _seconds(task, status, "0") for field, status in _TIMES.items()},
        "pexit": task.pexit,
        "categories": json.dumps(list(card.categories) if card else []),
        "outputs": [output_wire(task, file) for file in task.outputs],
        "outputfolderid": "0" if task.removed else str(task.id),
        "size": str(sum(file.size for file in task.outputs)),
        "modelslugowner": owner,
        "modelslugproject": name,
        "modeldescription": card.description if card else "",
        **_additions(task),
    }


def _additions(task: Task) -> Wire:
    """Return what a task object has here that Wiro's hasn't."""
    return {
        "attempt": task.attempt,
        "seed": str(task.values.get("seed", "")),
        "outputsremoved": _REMOVED[task.removed] if task.removed else "",
        "receipt": task.receipt,
        "killreceipt": _kill_wire(task.kill) if task.kill else {},
        "partialoutputs": [output_wire(task, file) for file in task.partial_outputs],
    }


def _kill_wire(kill: KillReceipt) -> Wire:
    return {
        "phase": kill.phase,
        "step": kill.step,
        "steptotal": kill.total_steps,
        "milliseconds": kill.milliseconds,
        "means": kill.means.value,
    }


def output_wire(task: Task, file: Output) -> Wire:
    """Return the file object of an output; its URL is absolute, unguessable and needs no credentials."""
    added = str(int(file.created_at))
    return {
        "id": str(file.id),
        "name": file.name,
        "contenttype": file.content_type,
        "parentid": str(task.id),
        "uuid": file.uuid,
        "size": str(file.size),
        "addedtime": added,
        "modifiedtime": added,
        "accesskey": file.access_key,
        "foldercount": "0",
        "filecount": "0",
        "ispublic": 0,
        "expiretime": None,
        "url": file_url(task.base_url, file.access_key, file.name),
    }


def upload_wire(upload: Upload, base: str) -> Wire:
    """Return the file object of an upload."""
    return {
        "id": str(upload.id),
        "name": upload.name,
        "contenttype": upload.content_type,
        "size": str(upload.size),
        "parentid": str(upload.folder_id),
        "url": file_url(base, upload.access_key, upload.name),
        "addedtime": str(int(upload.created_at)),
        "accesskey": upload.access_key,
    }


def folder_wire(folder: Folder) -> Wire:
    """Return the file object of a folder."""
    return {
        "id": str(folder.id),
        "name": folder.name,
        "parentid": str(folder.parent_id),
        "size": "0",
        "contenttype": "",
        "addedtime": str(int(folder.created_at)),
    }


def model_id(slug: str) -> str:
    """Return a number for a model: cards have names only, Wiro's objects want ids."""
    return str(zlib.crc32(slug.encode()))


def elapsed(task: Task) -> float:
    """Return the seconds from the start of drawing to its end; 0 until both are known."""
    start, end = task.times.get(TaskStatus.START), task.times.get(TaskStatus.END)
    return 0.0 if start is None or end is None else end - start


def _seconds(task: Task, status: TaskStatus, never: str) -> str:
    at = task.times.get(status)
    return never if at is None else str(int(at))


def _cost(task: Task) -> Wire:
    cost = task.cps * elapsed(task) if task.succeeded else 0.0
    return {"cps": f"{task.cps:.12f}", "totalcost": f"{cost:.12f}" if cost else "0"}
