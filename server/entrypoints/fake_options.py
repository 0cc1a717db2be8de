"""What `EASEL_FAKE` says."""

import math

from server.entrypoints.engine import fake_modes


def read_fake_options(text: str) -> tuple[float, str]:
    """Read `step_ms=20,mode=works`. Raises ValueError with one sentence that says what is wrong."""
    options = {"step_ms": "0", "mode": "works"}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name.strip() not in options:
            raise ValueError(f"EASEL_FAKE has {name.strip()!r}; it takes step_ms and mode.")
        options[name.strip()] = value.strip()
    if options["mode"] not in fake_modes():
        raise ValueError(f"EASEL_FAKE has the mode {options['mode']!r}; there are {', '.join(fake_modes())}.")
    try:
        step_ms = float(options["step_ms"])
    except ValueError:
        step_ms = math.nan
    if not 0 <= step_ms < math.inf:
        raise ValueError("EASEL_FAKE needs a number of milliseconds for step_ms.")
    return step_ms, options["mode"]
