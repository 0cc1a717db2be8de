"""Run: the call that queues a task; and Plan, which only says what it would come to."""

from collections.abc import Sequence
from typing import Final

from models.card import Card
from models.catalogue import Catalogue
from server.api.openapi import samples
from server.api.openapi.envelope import KEYED, NO_PATH, enveloped, refusal
from server.api.openapi.pieces import Call, Example, in_header, in_path, ref, text
from server.api.tool_openapi import inputs_schema
from server.api.wire import Wire

_PARAMETERS = (
    in_path("owner", "Whose model it is.", samples.OWNER),
    in_path("model", "What it is called. `Tool/List` names those there are.", samples.MODEL),
    in_header("Idempotency-Key", "The same key and body give the same task for 24 hours: printable ASCII."),
)


def input_schemas(catalogue: Catalogue) -> Wire:
    """Return the inputs of every model, by component."""
    return {_component(card): inputs_schema(card) for card in catalogue}


def run_calls(catalogue: Catalogue) -> Sequence[Call]:
    """Return both calls, which take the same body."""
    shapes = [ref(_component(card)) for card in catalogue]
    body: Wire = {"anyOf": shapes} if shapes else {"type": "object"}
    return [_run(body), _plan(body)]


def _run(body: Wire) -> Call:
    return Call(
        method="post",
        path="/v1/Run/{owner}/{model}",
        tag="Tasks",
        name="Run",
        summary="Queue a task.",
        description="Send the inputs of the model that the path names, each value as text or as a number. The "
        "answer comes at once; the pictures come later. What a client leaves out, or sends empty, takes the "
        "model's default. A field that takes files also takes their URLs.",
        parameters=_PARAMETERS,
        body=body,
        answers=enveloped(
            "The task is queued",
            {
                "taskid": text("The task's id.", pattern="^[0-9]+$"),
                "socketaccesstoken": text("The task's token.", pattern="^[A-Za-z0-9]{30}$"),
            },
        ),
        common=KEYED | NO_PATH,
        examples=_EXAMPLES,
        keyed=True,
    )


def _plan(body: Wire) -> Call:
    return Call(
        method="post",
        path="/v1/Plan/{owner}/{model}",
        tag="Tasks",
        name="Plan",
        summary="Say what a Run would come to.",
        description="easel's own. Takes what Run takes, checks what Run checks, and answers at once without queueing "
        "anything: the steps that base and refiner run, which LoRAs are applied, and how long it may take. What "
        "nobody knows is left out.",
        parameters=_PARAMETERS[:2],
        body=body,
        answers=enveloped("What would happen", {"plan": ref("Plan")}),
        common=KEYED | NO_PATH,
        examples=_PLANS,
        keyed=True,
    )


def _component(card: Card) -> str:
    return f"Inputs.{card.owner}.{card.name}"


_EXAMPLES = (
    Example(
        name="run",
        summary="A picture of 512 × 512",
        body=dict(samples.INPUTS),
        answer={
            "errors": [],
            "taskid": samples.TASK_ID,
            "socketaccesstoken": samples.TOKEN,
            "result": True,
        },
    ),
    Example(
        name="no prompt",
        summary="A prompt is missing",
        body={"prompt": "", "samples": "1"},
        answer=refusal("Request parameter [prompt] required"),
    ),
    Example(
        name="too many samples",
        summary="A number is out of bounds",
        body={**samples.INPUTS, "samples": "500"},
        answer=refusal("Request parameter [samples] must be between 1 and 8"),
    ),
)

_PLANS: Final = (
    Example(
        name="plan",
        summary="Five steps",
        body={**samples.INPUTS, "steps": "5", "refiner": "--only_base_model"},
        answer={"errors": [], "plan": samples.PLAN, "result": True},
    ),
    Example(
        name="too much",
        summary="A number is out of bounds",
        body={**samples.INPUTS, "steps": "1000"},
        answer=refusal("Request parameter [steps] must be between 1 and 150"),
    ),
)
