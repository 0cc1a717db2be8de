"""The snippet of Wiro's own model page: only its two addresses are changed, and it is opened as a file."""

from pathlib import Path

import pytest

from tests.e2e.processes import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SNIPPET = Path(__file__).with_name("snippet.html")
ADDRESSES = {
    "wss://socket.wiro.ai/v1": "ws://127.0.0.1:{port}/v1",
    "https://api.wiro.ai/v1": "http://127.0.0.1:{port}/v1",
}


def test_it_shows_the_log_and_the_pictures(chromium, site: Site, tmp_path):
    text = SNIPPET.read_text()
    for wiro, ours in ADDRESSES.items():
        assert text.count(wiro) == 1
        text = text.replace(wiro, ours.format(port=site.port))
    small = {"samples": "2", "steps": "8", "width": "128", "height": "128"}
    made = site.client().run(prompt="a large red heart on a teal background", **small)
    file = tmp_path / "snippet.html"
    file.write_text(text)

    page = chromium.new_page()
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(f"{file.as_uri()}#{made['socketaccesstoken']}")
    page.locator("#outputs img").nth(1).wait_for(timeout=120_000)
    page.wait_for_function("[...document.images].every((it) => it.complete && it.naturalWidth === 128)")

    log = page.locator("#log").inner_text()
    assert "task_start" in log
    assert '"progressGenerate"' in log
    assert "task_postprocess_end" in log
    page.get_by_text("2 outputs; models listed: true").wait_for()
    assert alerts == []
    page.close()
