"""Running the API in a thread, so that whoever started it keeps the main thread and its signals."""

import errno
import gc
import socket
import threading
from typing import Final

import uvicorn

from server.api.app import create_app
from server.api.serving import listen, make_server
from server.api.wiring import Wiring
from server.entrypoints.trouble import Trouble
from server.settings import Settings

_COLLECT_AFTER: Final = 10_000
"""New objects, instead of Python's 700: a thousand sockets that are told something make more than that in a moment."""


class ApiThread:
    """The API on its own thread."""

    def __init__(self, wiring: Wiring, settings: Settings) -> None:
        self._listener = _listen(settings)
        self._server: uvicorn.Server = make_server(
            create_app(wiring), settings.host, self.port, settings.proxies, head_seconds=wiring.pace.head
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="api", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to serve."""
        _spare_the_collector()
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait until it has."""
        self._server.should_exit = True
        self._thread.join()

    def wait(self) -> None:
        """Return when the server has ended; signals are handled meanwhile."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def ask_to_stop(self) -> None:
        """Stop serving, without waiting: safe in a signal handler. A second time, at once."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True


def _spare_the_collector() -> None:
    """Leave what is there by now, modules above all, out of every garbage collection, and collect less often.

    It stays for as long as the process, and to look through it took a fifth of a second, in which nobody was answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


def _listen(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"Port {settings.port} on {settings.host} is taken: stop what uses it, or set EASEL_PORT."
        else:
            reason = error.strerror or str(error)
            what = f"Can't listen on {settings.host}:{settings.port}: {reason}. Set EASEL_HOST and EASEL_PORT."
        raise Trouble(what) from None
