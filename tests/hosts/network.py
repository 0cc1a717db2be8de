"""Hosts as network namespaces: each with an address of its own on one wire, and a plug that can be pulled."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NET = "10.213.72"


def impossible() -> str | None:
    """Return one sentence on why there can be no hosts here, or None."""
    if os.geteuid() != 0:
        return "Network namespaces need root: run `make test-host` as root."
    if shutil.which("ip") is None:
        return "There is no `ip` program: apt-get install iproute2, then run `make test-host` again."
    probe = f"easel-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        return f"This machine lets nobody make network namespaces: {made.stderr.strip()}."
    _ip("netns", "del", probe)
    return None


@dataclass(frozen=True)
class Host:
    """A namespace with an address."""

    space: str
    address: str
    plug: str
    switch: str

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with to run there."""
        return ("ip", "netns", "exec", self.space)

    @contextmanager
    def knows(self, *names: str) -> Iterator[None]:
        """Let these names lead to the host itself, by a hosts file that is seen there alone."""
        folder = Path("/etc/netns") / self.space
        folder.mkdir(parents=True)
        (folder / "hosts").write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
        try:
            yield
        finally:
            shutil.rmtree(folder)

    def unplug(self) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        _ip("-n", self.switch, "link", "set", self.plug, "down")

    def plug_in(self) -> None:
        """Back on the wire."""
        _ip("-n", self.switch, "link", "set", self.plug, "up")


@contextmanager
def network(*names: str) -> Iterator[list[Host]]:
    """Make hosts of these names on one wire; take all of it down at the end."""
    mark = f"easel-{os.getpid()}"
    switch = f"{mark}-switch"
    hosts = [Host(f"{mark}-{name}", f"{NET}.{at}", f"p{at}", switch) for at, name in enumerate(names, 1)]
    spaces = [switch, *(host.space for host in hosts)]
    try:
        for space in spaces:
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", switch, "link", "add", "wire", "type", "bridge")
        _ip("-n", switch, "link", "set", "wire", "up")
        for host in hosts:
            _ip("-n", host.space, "link", "add", "eth0", "type", "veth", "peer", "name", host.plug, "netns", switch)
            _ip("-n", switch, "link", "set", host.plug, "master", "wire", "up")
            _ip("-n", host.space, "addr", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.space, "link", "set", "eth0", "up")
        yield hosts
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
