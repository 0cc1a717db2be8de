"""The demo: a server, one Wiro-shaped signed Run, and its pictures. `make demo`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
from rich.console import Console

from server.api.serving import listen
from server.entrypoints.cli import speak_plainly
from server.entrypoints.client import Client, read_account
from server.entrypoints.trouble import Trouble
from server.entrypoints.watch import watch_task

_START_SECONDS: Final = 180.0
_STOP_SECONDS: Final = 30.0
_DATA: Final = Path("data/demo")
_LOG: Final = _DATA / "server.log"
_MODELS: Final = {"EASEL_MODELS_DIR", "EASEL_DEVICE", "EASEL_MINIATURE"}

# As a Wiro model page sends it: every value a string, a LoRA tag in the prompt, a placeholder left in. The words are
# those that the miniature knows.
_BODY: Final = {
    "prompt": "<lora:Studio-Trigger:1.0>, studio style, a large yellow star on a blue background",
    "negativePrompt": "",
    "samples": "2",
    "steps": "20",
    "scale": "5",
    "highNoiseFrac": "0.8",
    "stepsRefiner": "20",
    "seed": "9421808",
    "width": "512",
    "height": "512",
    "refiner": "/* refiner value */",
    "scheduler": "EulerDiscreteScheduler",
}


def main() -> None:
    """Run the demo; leave with 0 when the pictures are there."""
    sys.exit(speak_plainly(_demo))


def _demo() -> None:
    console = Console()
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with _server(port, console) as server:
        _wait_until_ready(server, url, console)
        client = Client(read_account(url, _DATA / "project.json"))
        console.print(f"[bold]POST {url}/v1/Run/hevok/studio-trigger[/]  (signed)", highlight=False)
        token = client.run("hevok/studio-trigger", _BODY)
        paths = watch_task(client, token, Path("out"), console)
    console.print(f"[bold green]{len(paths)} pictures:[/]")
    for path in paths:
        console.print(f"  {path}", highlight=False, soft_wrap=True)


def _free_port() -> int:
    with listen("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _server(port: int, console: Console) -> Generator["subprocess.Popen[bytes]"]:
    """Run `easel up` on a data folder of the demo's own; its log goes beside the data."""
    _DATA.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}
    models = {name: value for name, value in os.environ.items() if name in _MODELS}
    environment = {**kept, **models, "EASEL_DATA_DIR": str(_DATA), "EASEL_PORT": str(port)}
    with _LOG.open("w") as out:
        # A session of its own: Ctrl-C reaches this process, which then stops the server in good order.
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "server.entrypoints.cli", "up"],
            env=environment, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
        console.print(f"starting easel up (log: {_LOG})", highlight=False)
        try:
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_until_ready(server: "subprocess.Popen[bytes]", url: str, console: Console) -> None:
    deadline = time.monotonic() + _START_SECONDS
    trouble = "the server does not answer"
    with console.status("starting …") as status:
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise Trouble(f"The server has ended: {_last_words()}")
            try:
                answer = httpx2.get(f"{url}/readyz", trust_env=False)
                if answer.is_success:
                    return
                trouble = str(answer.json()["trouble"])
            except httpx2.HTTPError:
                pass
            status.update(f"starting: {trouble}")
            time.sleep(0.2)
    raise Trouble(f"The server was not ready after {_START_SECONDS:g} s: {trouble}. See {_LOG}.")


def _last_words() -> str:
    lines = _LOG.read_text(errors="replace").strip().splitlines() or [f"{_LOG} is empty."]
    return lines[-1].removeprefix("easel: ")


if __name__ == "__main__":
    main()
