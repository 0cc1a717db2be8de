"""A real server takes a file of 100 MB: it goes to disk, not into memory."""

import sys
from pathlib import Path

import httpx2

from server.domain.files import MAX_FILE
from tests.e2e.processes import Site
from tests.wire.uploading import LABEL, form, part

_PIECE = 1 << 20
_BOUND_MB = 50


def _rss(pid: int, field: str) -> int:
    """Return VmRSS or VmHWM in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def test_a_hundred_megabytes_do_not_sit_in_memory(site: Site, capsys):
    client = site.client(site.project("one"))
    api = site.api()
    client.port = site.port

    def pieces():
        yield part("file", b"", "large.bin").removesuffix(b"\r\n")
        for _ in range(MAX_FILE // _PIECE):
            yield b"\xa5" * _PIECE
        yield b"\r\n" + form()

    client.post("Task/List", {})
    before = _rss(api.pid, "VmRSS")
    answer = client.post("File/Upload", content=pieces(), headers={**client.headers, **LABEL}, timeout=120).json()
    peak = _rss(api.pid, "VmHWM")

    assert answer["list"][0]["size"] == str(MAX_FILE)
    with httpx2.stream("GET", answer["list"][0]["url"], trust_env=False, timeout=120) as download:
        assert sum(len(chunk) for chunk in download.iter_raw()) == MAX_FILE
    with capsys.disabled():
        sys.stdout.write(
            f"\n  before {before >> 10} MB, peak {peak >> 10} MB, after {_rss(api.pid, 'VmRSS') >> 10} MB\n"
        )
    assert peak - before < _BOUND_MB * 1024
    assert _rss(api.pid, "VmHWM") - before < _BOUND_MB * 1024
