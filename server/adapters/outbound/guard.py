"""The guard: look a name up, check every address, hand out only what was checked."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from server.domain.outbound import NoAnswer, Permits, Target, choose_addresses, parse_target

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""From host and port to addresses, as text. Raises OSError."""


class Deadline:
    """One clock for a whole exchange: looking up, connecting, shaking hands, sending and reading."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises NoAnswer when there are none."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> NoAnswer:
        """Return what to raise when time is up."""
        return NoAnswer(f"no complete answer within {self._seconds:g} s")


@dataclass(frozen=True, slots=True)
class Checked:
    """A target and the addresses it may be reached at. Connecting anywhere else would be the rebinding hole."""

    target: Target
    addresses: tuple[str, ...]


class Guard:
    """Checks a URL anew each time it is asked: a name may point elsewhere by the next attempt.

    `setting` names the environment variable behind `permits`, for the sentence that refuses.
    """

    def __init__(self, permits: Permits, setting: str, resolve: Resolve | None = None) -> None:
        self._permits = permits
        self._setting = setting
        self._resolve = resolve or resolve_by_system

    def check(self, url: str, deadline: Deadline) -> Checked:
        """Return where to connect. Raises Refused, or NoAnswer if the name can't be looked up in time."""
        target = parse_target(url)
        found = _in_time(lambda: self._resolve(target.host, target.port), deadline)
        return Checked(target, choose_addresses(target, found, self._permits, self._setting))


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Look a host up as this machine does: /etc/hosts, DNS, and every spelling of an address it knows."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _in_time(look_up: Callable[[], Sequence[str]], deadline: Deadline) -> Sequence[str]:
    """Run a look-up, which takes no timeout, on a thread of its own, and leave it behind when it is late."""
    found: list[Sequence[str]] = []
    done = threading.Event()

    def work() -> None:
        try:
            found.append(look_up())
        except (OSError, UnicodeError):
            pass
        finally:
            done.set()

    threading.Thread(target=work, name="look-up", daemon=True).start()
    if not done.wait(deadline.left()):
        raise deadline.missed()
    if not found:
        raise NoAnswer("the host's name can't be looked up")
    return found[0]
