"""Schemas of tasks, their files and their webhooks."""

from typing import Final

from server.api.openapi.pieces import anything, fields, integer, listed, number_text, ref, text
from server.api.wire import Wire
from server.domain.kill import Means
from server.domain.lifecycle import TaskStatus
from server.domain.webhook import WebhookState

_NULL: Final = {"type": "null"}
_NEVER: Final = 'unix seconds, "0" for never'
_UNKNOWN: Final = 'unix seconds, "" until then'
_STATUSES: Final = [status.value for status in TaskStatus]

_ABOUT: Final[Wire] = {
    "id": number_text("The task's id."),
    "uuid": text("The same, unguessable."),
    "name": text("Always empty."),
    "socketaccesstoken": text("The task's token: for the websocket, and for every call that takes `tasktoken`."),
    "parameters": anything("The inputs as they were sent."),
    "debugoutput": text("Empty; of a failed task what went wrong."),
    "debugerror": text("The same."),
    "starttime": number_text(f"When drawing began: {_UNKNOWN}."),
    "endtime": number_text(f"When drawing ended: {_UNKNOWN}."),
    "elapsedseconds": number_text("How long it was drawn."),
    "status": text("Where the task is. Over at `task_postprocess_end` and at `task_cancel`.", enum=_STATUSES),
    "cps": number_text("The price of a second."),
    "totalcost": number_text("What it cost; 0 if it failed."),
    "guestid": _NULL,
    "projectid": number_text("Whose it is."),
    "modelid": number_text("The model's id."),
    "description": text("Always empty."),
    "basemodelid": text("Always 0."),
    "runtype": text("Always `model`."),
    "modelfolderid": text("Always empty."),
    "modelfileid": text("Always empty."),
    "callbackurl": text("Where the end of the task is told; empty for nowhere."),
    "marketplaceid": _NULL,
}
_TIMES: Final[Wire] = {
    name: number_text(f"When {what}: {_NEVER}.")
    for name, what in {
        "createtime": "it was queued",
        "canceltime": "it was cancelled or killed",
        "assigntime": "it was given to an engine",
        "accepttime": "a worker took it",
        "preprocessstarttime": "its preparation began",
        "preprocessendtime": "its preparation ended",
        "postprocessstarttime": "its files began to be settled",
        "postprocessendtime": "it was over",
    }.items()
}
_RESULT: Final[Wire] = {
    "pexit": text('"" while nobody knows, "0" for success, another number for failure.'),
    "categories": text("The model's categories: a JSON list in a text."),
    "outputs": listed(ref("Output"), "The pictures, in their order; none unless `pexit` is 0."),
    "outputfolderid": number_text('"0" when the outputs have been removed.'),
    "size": number_text("Bytes of all outputs."),
    "modelslugowner": text("Owner of the model."),
    "modelslugproject": text("Name of the model."),
    "modeldescription": text("What the model is."),
    "seed": text("The seed of the first picture, drawn at Run where none was sent; easel's own."),
    "attempt": integer("How often a worker has begun it; easel's own."),
    "outputsremoved": text("One sentence on why the outputs are gone; easel's own."),
    "receipt": anything(
        "What it is drawn with: `miniature`, `weights`, `size`, `words`; in `prompt` how both prompts were read: "
        "`tokens` of each chunk, `weights`, `breaks`, `loras`; in `phases`, once it is drawn, the seconds of `encode`, "
        "`base`, `refiner` and `decode`. Empty until a worker knows. easel's own."
    ),
    "killreceipt": fields(
        {
            "phase": text("What it was doing: `encode`, `base`, `refiner` or `decode`."),
            "step": integer("After how many steps, of all samples."),
            "steptotal": integer("Of how many; 0 where it wasn't known yet."),
            "milliseconds": integer("From the kill's commit until the device was free, in the database's time."),
            "means": text("What ended it.", enum=[means.value for means in Means]),
        },
        optional=["phase", "step", "steptotal", "milliseconds", "means"],
        description="What it took to stop it while it was drawn; empty otherwise. easel's own.",
    ),
    "partialoutputs": listed(ref("Output"), "Pictures finished before a kill or a failure; easel's own."),
    "webhooks": listed(ref("Webhook"), "What became of its webhook; easel's own."),
    "queueposition": number_text("1 is next; only while queued, and where it is known. easel's own."),
    "estimatedstart": number_text("Unix seconds; only while queued, and where it is known. easel's own."),
}
_OUTPUT: Final[Wire] = {
    "id": number_text("The file's id."),
    "name": text("The file's name: `0.png`, `1.png`, …"),
    "contenttype": text("Its media type."),
    "parentid": number_text("The task's id."),
    "uuid": text("The file's unguessable id."),
    "size": number_text("Bytes."),
    "addedtime": number_text("Unix seconds."),
    "modifiedtime": number_text("Unix seconds."),
    "accesskey": text("The unguessable part of its address."),
    "foldercount": text("Always 0."),
    "filecount": text("Always 0."),
    "ispublic": integer("Always 0."),
    "expiretime": _NULL,
    "url": text("Absolute; whoever has it may GET it, without a key.", format="uri"),
}
_WEBHOOK: Final[Wire] = {
    "id": number_text("The webhook's id."),
    "webhookid": text("What the header `webhook-id` carries: the same at every attempt."),
    "url": text("Where it is sent."),
    "status": text("How it stands.", enum=[state.value for state in WebhookState]),
    "createtime": number_text("Unix seconds."),
    "nexttime": number_text("When it is tried next: unix seconds, empty for never."),
    "attempts": listed(
        fields(
            {
                "time": number_text("Unix seconds."),
                "statuscode": number_text("The receiver's HTTP status; empty without an answer."),
                "reason": text("Why it failed."),
            }
        )
    ),
}
SCHEMAS: Final[Wire] = {
    "Task": fields({**_ABOUT, **_TIMES, **_RESULT}, optional=["queueposition", "estimatedstart"]),
    "Output": fields(_OUTPUT),
    "Webhook": fields(_WEBHOOK),
}
