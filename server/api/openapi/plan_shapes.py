"""The answer of Plan, field by field."""

from typing import Final

from server.api.openapi.pieces import TEXT, anything, fields, integer, listed, text
from server.api.wire import Wire
from server.services.foresee import LoraSight

_NUMBER: Final[Wire] = {"type": "number"}


def _number(description: str) -> Wire:
    return {**_NUMBER, "description": description}


_SIZE: Final = fields({"width": integer("In pixels."), "height": integer("In pixels.")})
_TIMESTEPS: Final = fields(
    {
        "base": listed(_NUMBER, "Of one sample, highest first."),
        "refiner": listed(_NUMBER, "Of one sample, highest first; empty without the refiner."),
    }
)
_MEMORY: Final = fields(
    {
        "dtype": text("Of the UNets: the setting's, or what the worker's device asks for; without one a GPU's."),
        "weights": integer("Bytes of all weights."),
        "drawing": integer("Bytes of the largest forward or decode beside them, at the size that is drawn."),
        "resident": integer("Bytes that the device takes with all weights on it."),
        "offload": integer("Bytes that it takes with `EASEL_MEMORY=offload`; not on a CPU."),
    },
    optional=["offload"],
)
_LORA: Final = fields(
    {
        "name": text("As it is installed."),
        "weight": _number("1 is as trained."),
        "status": text(
            "`unknown` ones are ignored; `out of sight`: this process can't see the folder of the weights.",
            enum=[sight.value for sight in LoraSight],
        ),
    }
)
_PLAN: Final[Wire] = {
    "model": text("Owner and name."),
    "scheduler": text("The noise scheduler, by its own name."),
    "samples": integer("How many pictures."),
    "drawn": _SIZE,
    "delivered": _SIZE,
    "installedloras": listed(TEXT, "LoRAs that prompts may name here: 500 at most."),
    "loras": listed(_LORA, "Those of the model, of the selections and of the prompt."),
    "prompt": anything(
        "How both prompts are read: `tokens` of each chunk, `weights`, `breaks`; `chunks` of 75 tokens. Tokens are "
        "told where the tokenizers can be seen."
    ),
    "notes": listed({"type": "string"}, "What there is to know, in sentences."),
    "base": integer("Steps that the base runs for each sample."),
    "refiner": integer("Steps that the refiner runs for each sample."),
    "steps": integer("Steps of all samples."),
    "unetevaluations": integer("Rows through the UNet, in all: a guidance pair is two."),
    "handover": integer("The timestep below which the refiner takes over; only with the refiner."),
    "timesteps": _TIMESTEPS,
    "estimatedseconds": _number("How long drawing may take, by the latest tasks of the model."),
    "estimatedmemory": _MEMORY,
    "queueposition": integer("Where it would stand; 1 is next."),
    "estimatedwait": _number("Seconds until it may start."),
}
_STEPS: Final = ["base", "refiner", "steps", "unetevaluations", "handover", "timesteps"]
SCHEMAS: Final[Wire] = {
    "Plan": fields(_PLAN, optional=[*_STEPS, "estimatedseconds", "estimatedmemory", "queueposition", "estimatedwait"]),
}
