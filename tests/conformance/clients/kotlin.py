"""The official Kotlin SDK: `java.net.URI` on every output, identifiers by name of the call."""

from typing import Any, ClassVar

from tests.conformance.clients.base import is_absolute
from tests.conformance.clients.kit import Kit


class Kotlin(Kit):
    style: ClassVar[str] = "kotlin"
    agent: ClassVar[str] = "WiroKit-Android/1.0.0"
    largest_frame: ClassVar[int] = 8 << 20

    def check_task(self, task: dict[str, Any]) -> None:
        assert all(is_absolute(output["url"]) for output in task["outputs"])
        assert all(output["size"].isdigit() for output in task["outputs"])
