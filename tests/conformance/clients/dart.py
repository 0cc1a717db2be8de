"""The official Dart SDK: one identifier for all, `int.parse`, an exception where the others fall back to polling."""

import re
from typing import Any, ClassVar

from tests.conformance.clients.base import Ticket
from tests.conformance.clients.kit import Kit

_TIME = re.compile(r"(\d{10,13})?")


class Dart(Kit):
    style: ClassVar[str] = "dart"
    agent: ClassVar[str] = "Dart/3.5 (dart:io)"
    largest_frame: ClassVar[int] = 64 << 20
    close_code: ClassVar[int] = 1000

    def identifier(self, call: str, ticket: Ticket) -> dict[str, str]:
        del call
        return {"tasktoken": ticket.token}

    def body(self) -> dict[str, Any]:
        """Dart's `validate()` reads "" as absent and rejects it, so its users leave `refiner` out."""
        return {name: value for name, value in super().body().items() if name != "refiner"}

    def exit_code(self, pexit: Any) -> int | None:
        """`int.parse` takes nothing but text."""
        assert isinstance(pexit, str)
        return super().exit_code(pexit)

    def check_task(self, task: dict[str, Any]) -> None:
        for name in ("starttime", "endtime"):
            assert _TIME.fullmatch(task[name]), (name, task[name])
