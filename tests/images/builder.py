"""Images built by the real Dockerfile with buildah, and started as a container runtime would, without one."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux"}
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
BASE: Final = "localhost/easel-python-base"
BASE_PACKAGES: Final = "python3,python3-venv,python-is-python3,ca-certificates,libexpat1"
FREE_GB: Final = 25
SECONDS: Final = 3000


def impossible() -> str | None:
    """Return one sentence on why no image can be built here, or None."""
    if os.geteuid() != 0:
        return "Building images without a daemon needs root: run `make test-images` as root."
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"There is no `{program}` program: apt-get install {package}, then run `make test-images` again."
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < FREE_GB * 10**9:
        return f"Images need {FREE_GB} GB for a while, {free / 1e9:.0f} GB are free: make room, or set TMPDIR."
    return None


@dataclass(frozen=True)
class Builder:
    """buildah with a store of its own."""

    folder: Path

    def __call__(self, *words: str) -> str:
        """Run buildah; return what it printed."""
        store = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]
        with (self.folder / "buildah.log").open("a") as log:
            log.write(f"{shlex.join(words)}\n")
            log.flush()
            done = subprocess.run(
                ["buildah", *store, *words], check=False, stdout=subprocess.PIPE, stderr=log, text=True, timeout=SECONDS
            )
        assert done.returncode == 0, (words, (self.folder / "buildah.log").read_text()[-6000:])
        return done.stdout.strip()

    def base(self) -> str:
        """Make an image with Debian's own Python, from Debian's packages alone: no image registry is asked."""
        tree = self.folder / "base"
        debian = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(tree)]
        subprocess.run(debian, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
        # A network may have an authority of its own between here and the package index.
        shutil.copy(CERTIFICATES, tree / CERTIFICATES.relative_to("/"))
        shutil.rmtree(tree / "var/cache/apt", ignore_errors=True)
        container = self("from", "scratch")
        self("add", "--quiet", container, str(tree), "/")
        settings = {
            "PIP_CERT": str(CERTIFICATES),
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        if wheels := os.environ.get("PIP_FIND_LINKS"):
            settings["PIP_FIND_LINKS"] = wheels
        for name, value in settings.items():
            self("config", "--env", f"{name}={value}", container)
        self("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(tree)
        return BASE

    def build(self, target: str, *arguments: str) -> str:
        """Build a stage of the Dockerfile; return the image's name."""
        name = f"localhost/easel-{target}"
        wheels = os.environ.get("PIP_FIND_LINKS", "")
        mounts = ["--volume", f"{wheels}:{wheels}:ro"] if Path(wheels).is_dir() and wheels else []
        given = [part for argument in (f"PYTHON_IMAGE={BASE}", *arguments) for part in ("--build-arg", argument)]
        options = ["--isolation", "chroot", "--format", "docker", "--layers", "--pull-never"]
        self("bud", *options, *mounts, *given, "--target", target, "--tag", name, str(ROOT))
        return name

    def open(self, image: str) -> "Container":
        """Make a container of an image, not yet running."""
        container = self("from", "--pull-never", image)
        described = json.loads(self("inspect", "--type", "image", image))
        return Container(Path(self("mount", container)), described["Docker"]["config"], self.folder)


@contextmanager
def builder() -> Iterator[Builder]:
    """Give a builder; remove every image, container and layer at the end."""
    folder = Path(tempfile.mkdtemp(prefix="easel-images-"))
    made = Builder(folder)
    try:
        yield made
    finally:
        made("umount", "--all")
        made("rm", "--all")
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Container:
    """An image's files and what it says of itself; its commands run as its user on a root that can't be written."""

    tree: Path
    config: Mapping[str, Any]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return dict(each.split("=", 1) for each in self.config["Env"])

    @property
    def health(self) -> list[str]:
        """The health check's command."""
        word, *command = self.config["Healthcheck"]["Test"]
        assert word == "CMD"
        return command

    @property
    def command(self) -> list[str]:
        """What it starts."""
        return [*self.config["Entrypoint"], *self.config["Cmd"]]

    def start(self, data: Path, *command: str, **settings: str) -> "subprocess.Popen[bytes]":
        """Start a command; what it says goes to a log beside the images."""
        name = re.sub(r"\W+", "-", " ".join(command))[:60]
        with (self.folder / f"{name}.log").open("ab") as log:
            environment = {**self.environment, **settings}
            return subprocess.Popen(self._inside(data, command), env=environment, stdout=log, stderr=log)

    def run(self, data: Path, *command: str, **settings: str) -> int:
        """Run a command to its end."""
        return self.start(data, *command, **settings).wait(300)

    def said(self, data: Path, *command: str, **settings: str) -> str:
        """Run a command that must succeed; return what it printed."""
        environment = {**self.environment, **settings}
        inside = self._inside(data, command)
        done = subprocess.run(inside, env=environment, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _inside(self, data: Path, command: Sequence[str]) -> list[str]:
        """Return what runs it in a mount namespace: root read-only, /tmp empty, /data a folder of the host."""
        root, user, there = shlex.quote(str(self.tree)), self.config["User"], self.config["WorkingDir"]
        script = " && ".join(
            [
                f"mount --bind {root} {root}",
                f"mount -o remount,bind,ro {root}",
                f"mount -t tmpfs tmpfs {root}/tmp",
                f"mount --bind {shlex.quote(str(data))} {root}/data",
                f"mount --rbind /dev {root}/dev",
                f"mount --bind /proc {root}/proc",
                f"exec chroot --userspec={user} {root} /usr/bin/env -C {there} {shlex.join(command)}",
            ]
        )
        return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script]
