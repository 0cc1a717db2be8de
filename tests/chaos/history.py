"""What clients did and what they were told: one JSON object a line, written as it happens.

An operation is *invoked*; then it is *ok* (the server said yes), *fail* (the server said no: nothing happened) or
*info* (nobody knows: the connection broke, or the answer was 503).
"""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

Line: TypeAlias = dict[str, Any]

INVOKE, OK, FAIL, INFO = "invoke", "ok", "fail", "info"


class History:
    """An append-only file; many threads write."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self._lock = threading.Lock()

    def add(self, kind: str, op: str, **what: object) -> None:
        text = json.dumps({"at": round(time.time(), 4), "kind": kind, "op": op, **what})
        with self._lock:
            self._file.write(text + "\n")

    def close(self) -> None:
        self._file.close()


def read_history(path: Path) -> Sequence[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]
