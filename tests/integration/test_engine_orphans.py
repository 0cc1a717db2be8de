"""An engine child whose supervisor is gone, however far it had come."""

import socket
import subprocess
import sys

import pytest

CHILD = """
import sys, threading
from multiprocessing.connection import Connection
from server.worker.child import serve

class Loads:
    def load(self, tell):
        threading.Event().wait()

def builds():
    threading.Event().wait()

serve({stage}, Connection(int(sys.argv[1])))
"""


@pytest.mark.parametrize("stage", ["builds", "Loads"])
def test_nothing_holds_the_device_after_its_supervisor(stage: str):
    """Also while torch is imported and weights are read, which takes from seconds to minutes."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(stage=stage), str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(1)
    ours.close()
    try:
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()
