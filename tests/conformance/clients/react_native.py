"""The official React Native SDK: strictly increasing nonces, http for loopback only, `new URL` on every output."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.conformance.clients.base import Door, milliseconds
from tests.conformance.clients.kit import Kit

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class ReactNative(Kit):
    style: ClassVar[str] = "react-native"
    agent: ClassVar[str] = "WiroKit-ReactNative/1.0.0"
    largest_frame: ClassVar[int] = 8 << 20

    def __init__(self, door: Door) -> None:
        assert urlsplit(door.base).hostname in _LOOPBACK
        super().__init__(door)
        self._last = 0

    def nonce(self) -> str:
        self._last = max(self._last + 1, int(milliseconds()))
        return str(self._last)

    def check_task(self, task: dict[str, Any]) -> None:
        for name in ("starttime", "endtime"):
            assert task[name] != "0", f"{name} would be shown as 1970"
