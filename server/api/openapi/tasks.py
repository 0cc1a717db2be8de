"""The calls that read, list, stop and clear tasks."""

from collections.abc import Sequence
from typing import Final

from models.catalogue import Catalogue
from server.api.openapi import samples
from server.api.openapi.envelope import KEYED, enveloped, refusal
from server.api.openapi.pieces import Call, Example, inputs, listed, number_or_text, number_text, ref, text
from server.api.wire import Wire, task_wire
from server.domain.lifecycle import TaskStatus

_NAMED: Final = inputs(
    {
        "tasktoken": number_or_text("The task's token, which Run returned as `socketaccesstoken`; or its id."),
        "socketaccesstoken": number_or_text("The same."),
        "taskid": number_or_text("The same."),
    }
)
_PAGE: Final = inputs(
    {
        "start": number_or_text("How many tasks to pass over; 0 by default."),
        "limit": number_or_text("How many tasks to return: 1 to 100, 20 by default."),
        "order": text("`DESC`, the newest first, by default; or `ASC`."),
        "modelName": text("A part of the model's name or title."),
        "status": text("Statuses, separated by commas; all by default. easel's own."),
        "outcome": text("Only tasks that ran to their end: `succeeded` or `failed`. easel's own."),
    }
)
_TASKS: Final[Wire] = {
    "total": number_text("How many tasks there are in all."),
    "tasklist": listed(ref("Task")),
}
_NOBODYS: Final = "nobodysnobodysnobodysnobodys00"


def task_calls(catalogue: Catalogue) -> Sequence[Call]:
    """Return the calls under /v1/Task."""
    return (
        _detail(catalogue),
        _list(catalogue),
        _cancel(catalogue),
        _kill(catalogue),
        _input_output_delete(),
    )


def _detail(catalogue: Catalogue) -> Call:
    queued = _answer(catalogue, TaskStatus.QUEUE, queueposition="1", estimatedstart="1734513811")
    return _call(
        "Task/Detail",
        "Read a task and its outputs.",
        'Ask every few seconds, or follow the websocket. The task has succeeded when `pexit` is "0"; `outputs` then '
        "holds a file for each picture.",
        "The task",
        _TASKS,
        Example(
            name="drawn", summary="A finished task", body={"tasktoken": samples.DRAWN_TOKEN}, answer=_drawn(catalogue)
        ),
        Example(name="queued", summary="A waiting task, by its id", body={"taskid": samples.TASK_ID}, answer=queued),
        Example(
            name="unknown",
            summary="A task that isn't there",
            body={"tasktoken": _NOBODYS},
            answer=refusal("There is no task yet.", 1),
        ),
        Example(
            name="none named",
            summary="No task is named",
            body={},
            answer=refusal("taskid or socketaccesstoken is required"),
        ),
    )


def _list(catalogue: Catalogue) -> Call:
    return _call(
        "Task/List",
        "List the project's tasks.",
        "A bound that can't be read is left at its default.",
        "A page of tasks",
        _TASKS,
        Example(
            name="oldest",
            summary="The oldest task of a model",
            body={"start": "0", "limit": "1", "order": "ASC", "modelName": "trigger"},
            answer=_drawn(catalogue),
        ),
        body=_PAGE,
    )


def _cancel(catalogue: Catalogue) -> Call:
    return _call(
        "Task/Cancel",
        "Take a task out of the queue.",
        "A task that is cancelled already is returned as it is.",
        "The cancelled task",
        _TASKS,
        Example(
            name="cancelled",
            summary="A waiting task",
            body={"tasktoken": samples.TOKEN},
            answer=_answer(catalogue, TaskStatus.CANCEL),
        ),
        Example(
            name="too late",
            summary="A finished task",
            body={"tasktoken": samples.DRAWN_TOKEN},
            answer=refusal("Task is not in a cancellable state.", 1),
        ),
    )


def _kill(catalogue: Catalogue) -> Call:
    return _call(
        "Task/Kill",
        "Stop a running task; cancel a waiting one.",
        "It stops at its next step, and becomes `task_cancel` at once.",
        "The killed task",
        _TASKS,
        Example(
            name="killed",
            summary="A task that isn't over",
            body={"tasktoken": samples.TOKEN},
            answer=_answer(catalogue, TaskStatus.CANCEL),
        ),
        Example(
            name="too late",
            summary="A finished task",
            body={"tasktoken": samples.DRAWN_TOKEN},
            answer=refusal("Task could not be killed: it has already finished.", 1),
        ),
    )


def _input_output_delete() -> Call:
    return _call(
        "Task/InputOutputDelete",
        "Delete the outputs and the uploaded inputs of a task that is over.",
        "A file that another task reads stays. A second time there is nothing left to do.",
        "The files are gone",
        {},
        Example(
            name="deleted",
            summary="A finished task",
            body={"tasktoken": samples.DRAWN_TOKEN},
            answer={"result": True, "errors": []},
        ),
        Example(
            name="not over",
            summary="A waiting task",
            body={"tasktoken": samples.TOKEN},
            answer=refusal("Task must be completed or cancelled before deleting files"),
        ),
        Example(
            name="unknown",
            summary="A task that isn't there",
            body={"tasktoken": _NOBODYS},
            answer=refusal("task-not-exist", 1),
        ),
    )


def _call(
    name: str, summary: str, description: str, outcome: str, answered: Wire, *examples: Example, body: Wire = _NAMED
) -> Call:
    return Call(
        method="post",
        path=f"/v1/{name}",
        tag="Tasks",
        name=name,
        summary=summary,
        description=description,
        body=body,
        answers=enveloped(outcome, answered),
        common=KEYED,
        examples=examples,
        keyed=True,
    )


def _drawn(catalogue: Catalogue) -> Wire:
    return _answer(catalogue, TaskStatus.POSTPROCESS_END)


def _answer(catalogue: Catalogue, status: TaskStatus, **more: str) -> Wire:
    none: list[Wire] = []
    task: Wire = {**task_wire(samples.sample_task(status), catalogue), "webhooks": none, **more}
    return {"total": "1", "errors": [], "tasklist": [task], "result": True}
