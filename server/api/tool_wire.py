"""Models as Wiro shows them: the tool objects of Tool/List, Tool/Detail and Tool/Explore."""

import json

from models.card import Card
from server.api.parameter_wire import groups_wire, text_of
from server.api.readme import readme_html
from server.api.wire import Wire, model_id
from server.domain.runs import Runs


def tool_wire(card: Card, runs: Runs, base: str, *, parameters: bool = True) -> Wire:
    """Return the tool object. `base` is where clients reach this server."""
    raw_owner, _, raw_name = (card.raw_slug or card.slug).partition("/")
    seconds = runs.mean_seconds
    return {
        "id": model_id(card.slug),
        "title": card.title,
        "slugowner": raw_owner,
        "slugproject": raw_name,
        "cleanslugowner": card.owner,
        "cleanslugproject": card.name,
        "description": card.description,
        "seotitle": card.title,
        "seodescription": card.description,
        "image": f"{base}/models/{card.slug}/cover.png",
        "computingtime": "" if seconds is None else f"{seconds:.1f} seconds",
        "categories": list(card.categories),  # JSON text in task objects, an array here (trap 12)
        "tags": list(card.tags),
        "samples": [],
        "marketplace": 0,
        "onlymembers": "1",
        "averagepoint": "0.00",
        "commentcount": "0",
        "ratedusercount": "0",
        "dynamicprice": json.dumps([{"inputs": {}, "price": card.cps, "priceMethod": "cps"}]),
        "cps": f"{card.cps:.12f}",
        "approximatelycost": f"{card.cps * (seconds or 0.0):.12f}",
        "taskstat": _taskstat(runs),
        "parameters": groups_wire(card) if parameters else None,
    }


def detail_wire(card: Card, runs: Runs, base: str) -> Wire:
    """Return the tool object of Tool/Detail, which says more."""
    examples = [{name: text_of(value) for name, value in example.items()} for example in card.inspire]
    return {**tool_wire(card, runs, base), "readme": readme_html(card, base), "inspire": examples}


def _taskstat(runs: Runs) -> Wire:
    return {
        "runcount": runs.total,
        "successcount": str(runs.succeeded),
        "errorcount": str(runs.failed),
        "lastruntime": str(int(runs.last_at)),
    }
