"""Schemas of models, as Wiro's tool objects, and of their parameters."""

from typing import Final

from models.card import PARAMETER_TYPES
from server.api.openapi.pieces import TEXT, anything, fields, flag, integer, listed, number_text, ref, text
from server.api.wire import Wire

_NUMBER_OR_TEXT: Final = {"type": ["number", "string"]}
_BOUND: Final = {"type": "number", "description": "For ranges."}

_ABOUT: Final[Wire] = {
    "id": number_text("The model's id, which tasks carry as `modelid`."),
    "title": text("What it is called."),
    "slugowner": text("Whose it is, as it is written."),
    "slugproject": text("Its name, as it is written."),
    "cleanslugowner": text("Whose it is, for paths."),
    "cleanslugproject": text("Its name, for paths."),
    "description": text("What it is."),
    "seotitle": text("The title again."),
    "seodescription": text("The description again."),
    "image": text("Its cover picture.", format="uri"),
    "computingtime": text("How long a run takes on average; empty while nobody knows."),
    "categories": listed(TEXT, "Here a list."),
    "tags": listed(TEXT),
    "samples": listed(TEXT, "Always empty."),
}
_FIGURES: Final[Wire] = {
    "marketplace": integer("Always 0."),
    "onlymembers": text("Always 1."),
    "averagepoint": text("Nobody rates models here."),
    "commentcount": text("Always 0."),
    "ratedusercount": text("Always 0."),
    "dynamicprice": text("The price: a JSON list in a text."),
    "cps": number_text("The price of a second."),
    "approximatelycost": number_text("What a run costs on average."),
    "taskstat": fields(
        {
            "runcount": integer("How often it was run."),
            "successcount": number_text("How often it succeeded."),
            "errorcount": number_text("How often it failed."),
            "lastruntime": number_text("When it was run last: unix seconds, 0 for never."),
        }
    ),
}
_GROUPS: Final = listed(ref("ParameterGroup"), "The inputs of Run, in groups.")
_MORE: Final[Wire] = {
    "parameters": _GROUPS,
    "readme": text("HTML."),
    "inspire": listed(anything("Inputs that can be run."), "Examples."),
}
_PARAMETER: Final[Wire] = {
    "id": text("What the input is called in Run."),
    "type": text("How it is entered.", enum=list(PARAMETER_TYPES)),
    "class": text("Always empty."),
    "label": text("What people read."),
    "placeholder": text("What an empty field shows."),
    "note": text("What it does."),
    "description": text("The same."),
    "rows": text("Lines of a textarea."),
    "defaultvalue": text("The default, as text."),
    "value": text("The same."),
    "minvalue": number_text("The least, as text; empty for no bound."),
    "maxvalue": number_text("The most, as text; empty for no bound."),
    "incrementby": number_text("The step, as text; empty for none."),
    "optionsLoad": text("Always empty."),
    "maxinputlenght": integer("The longest text; 0 for no limit. Wiro writes it so."),
    "required": flag("Whether Run refuses to do without."),
    "advanced": flag("Always false."),
    "quick": flag("Whether it is required."),
    "default": _NUMBER_OR_TEXT | {"description": "Absent where there is none."},
    "min": _BOUND,
    "max": _BOUND,
    "step": _BOUND,
    "options": listed(fields({"label": TEXT, "text": TEXT, "value": TEXT}), "The choices of a select."),
}
SCHEMAS: Final[Wire] = {
    "Tool": fields({**_ABOUT, **_FIGURES, "parameters": {"anyOf": [_GROUPS, {"type": "null"}]}}),
    "ToolDetail": fields({**_ABOUT, **_FIGURES, **_MORE}),
    "ParameterGroup": fields({"title": TEXT, "subtitle": TEXT, "items": listed(ref("Parameter"))}),
    "Parameter": fields(_PARAMETER, optional=["default", "min", "max", "step", "options"]),
}
