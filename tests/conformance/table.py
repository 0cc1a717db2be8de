"""How a row of the wire contract is written down: what it demands, and which tests show it."""

from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Row:
    """One demand. `key` is section and name; `tests` are node ids without their parameters."""

    key: str
    demand: str
    tests: tuple[str, ...]

    @property
    def section(self) -> str:
        return self.key.partition("/")[0]


def row(key: str, demand: str, *tests: tuple[str, ...]) -> Row:
    return Row(key, demand, tuple(test for group in tests for test in group))


def _at(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{file}::{name}" for name in names)


clients = partial(_at, "conformance/test_clients.py")
live_runs = partial(_at, "conformance/test_runs.py")
live_socket = partial(_at, "conformance/test_socket.py")
live_tools = partial(_at, "conformance/test_tools.py")
live_transport = partial(_at, "conformance/test_transport.py")
live_webhook = partial(_at, "conformance/test_webhook.py")
auth = partial(_at, "wire/test_auth.py")
bad_input = partial(_at, "wire/test_bad_input.py")
bodies = partial(_at, "wire/test_bodies.py")
file_parameters = partial(_at, "wire/test_file_parameters.py")
files = partial(_at, "wire/test_files.py")
frames = partial(_at, "wire/test_frames.py")
identifiers = partial(_at, "wire/test_identifiers.py")
limits = partial(_at, "wire/test_limits.py")
listing = partial(_at, "wire/test_list.py")
llms = partial(_at, "wire/test_llms.py")
n8n = partial(_at, "wire/test_n8n.py")
page = partial(_at, "wire/test_page.py")
removal = partial(_at, "wire/test_input_output_delete.py")
stop = partial(_at, "wire/test_stop.py")
task_object = partial(_at, "wire/test_task_object.py")
tools = partial(_at, "wire/test_tools.py")
tool_statistics = partial(_at, "wire/test_tool_statistics.py")
transport = partial(_at, "wire/test_transport.py")
uploads = partial(_at, "wire/test_uploads.py")
webhooks = partial(_at, "wire/test_webhooks.py")
websocket = partial(_at, "wire/test_websocket.py")
parameters = partial(_at, "unit/models/test_parameters.py")
generation = partial(_at, "unit/models/test_generation.py")
