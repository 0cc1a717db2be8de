"""Real Caddy with the shipped configuration and its own authority, on a host where Wiro's names lead to it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.domain.project import AuthMethod
from tests.containers.conftest import ROOT
from tests.e2e.processes import Site, eventually, open_site
from tests.hosts.network import Host, impossible, network

pytestmark = pytest.mark.containers

NAMES = ("api", "api.wiro.ai", "socket.wiro.ai", "easel.example.org")
CLIENT = ROOT / "tests" / "containers" / "tls_client.py"
NODE = "fetch('https://api.wiro.ai/healthz').then(a => { if (!a.ok) process.exit(2) }, () => process.exit(3))"


@dataclass
class Proxied:
    """An easel behind Caddy."""

    host: Host
    site: Site
    authority: Path
    key: str

    def ask(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a client's command on the host."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SSL_", "NODE_"))}
        told = [*self.host.inside, *command]
        return subprocess.run(told, env=kept | environment, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("There is no `caddy` program: apt-get install caddy, then run `make test-containers` again.")
    if (why := impossible()) is not None:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("tls")
    shutil.copytree(ROOT / "docker" / "caddy", folder / "caddy")
    (folder / "caddy" / "wiro-names.caddy.example").rename(folder / "caddy" / "wiro-names.caddy")
    with ExitStack() as stack:
        (host,) = stack.enter_context(network("site"))
        stack.enter_context(host.knows(*NAMES))
        site = stack.enter_context(open_site(folder / "data", EASEL_PORT="8000", EASEL_HOST="127.0.0.1"))
        up = site.start("up", inside=host.inside)
        up.wait_for("engine ready", within=60)
        environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "SITE": "localhost"}
        with (folder / "caddy.log").open("wb") as log:
            command = [*host.inside, caddy, "run", "--config", str(folder / "caddy" / "Caddyfile")]
            running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            authority = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
            made = Proxied(host, site, authority, site.project("shop", AuthMethod.KEY).api_key)
            health = ("curl", "-fsS", "--cacert", str(authority), "https://api.wiro.ai/healthz")

            def serves() -> bool:
                assert running.poll() is None, (folder / "caddy.log").read_text()
                return authority.exists() and made.ask(*health).returncode == 0

            eventually(serves, within=60, every=0.5)
            yield made
        finally:
            running.terminate()
            running.wait(20)


def test_a_run_over_https_and_wss_under_wiros_names(proxied: Proxied):
    done = proxied.ask(sys.executable, str(CLIENT), str(proxied.authority), proxied.key)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["types"][-1] == "task_postprocess_end"
    assert told["url"].startswith("https://api.wiro.ai/v1/File/")
    assert told["png"] is True


def test_whoever_does_not_trust_the_authority_is_not_served(proxied: Proxied):
    done = proxied.ask("curl", "-sS", "https://api.wiro.ai/healthz")

    assert done.returncode == 60, done.stderr


def test_the_recipes_of_the_readme(proxied: Proxied):
    python = "import httpx2; httpx2.get('https://api.wiro.ai/healthz').raise_for_status()"
    authority = str(proxied.authority)

    assert proxied.ask(sys.executable, "-c", python, SSL_CERT_FILE=authority).returncode == 0
    if shutil.which("node"):
        assert proxied.ask("node", "-e", NODE).returncode == 3
        assert proxied.ask("node", "-e", NODE, NODE_EXTRA_CA_CERTS=authority).returncode == 0
