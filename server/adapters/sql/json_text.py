"""How JSON columns are written."""

import json
from typing import Any


def to_json(value: Any) -> str:
    """Return compact JSON; any mapping will do for an object."""
    return json.dumps(value, default=dict, separators=(",", ":"))
