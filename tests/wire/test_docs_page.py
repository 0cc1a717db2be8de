"""The page of the API at /docs: everything of the document, and nothing from elsewhere."""

import re
from html.parser import HTMLParser

import pytest

from tests.wire.porch import porch
from tests.wire.uploading import cards

VOID = {"meta", "link", "img", "input"}
OPTIONAL = {"li", "td", "th", "tr", "tbody", "thead", "html"}
"""End tags that HTML lets a page leave out."""


class Reader(HTMLParser):
    """Collects ids and addresses; fails on an end tag without its beginning."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.addresses, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name == "style"]
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("href", "src") if name in given]
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in OPTIONAL:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(idle):
    answer = idle.get(f"{idle.url}/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    reader = Reader()
    reader.feed(answer.text)
    assert reader.open == []
    return answer, reader


def test_it_shows_every_call_every_example_and_every_schema(idle, page):
    answer, reader = page
    document = idle.get(f"{idle.url}/openapi.json").json()

    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in answer.text
        for call in methods.values():
            assert call["operationId"].replace("/", "-") in reader.ids
    for name in document["components"]["schemas"]:
        assert f"schema-{name}" in reader.ids
    shown = re.findall(r"<summary>(.*?)</summary>", answer.text)
    summaries = re.findall(r"'summary': '([^']*)', 'value'", str(document))
    assert len(summaries) > 20
    assert set(summaries) <= set(shown)


def test_it_takes_nothing_from_elsewhere(idle, page):
    answer, reader = page

    assert "script" not in reader.tags
    assert {address for address in reader.addresses if not address.startswith("#")} == {
        "/docs/page.css",
        "/openapi.json",
    }
    assert {address.removeprefix("#") for address in reader.addresses if address.startswith("#")} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", "style-src 'self'"]
    assert not [part for part in policy if "unsafe" in part or "http" in part]


def test_its_style_is_served_and_is_all_it_needs(idle):
    answer = idle.get(f"{idle.url}/docs/page.css")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in answer.text
    assert "@import" not in answer.text


def test_behind_a_proxy_the_links_keep_its_prefix(tmp_path):
    with porch(tmp_path, worker=False, public_url="https://example.org/easel") as behind:
        text = behind.get(f"{behind.url}/docs/").text

    assert 'href="/easel/docs/page.css"' in text
    assert 'href="/easel/openapi.json"' in text


def test_a_cards_words_are_text_on_the_page(tmp_path):
    folder = cards(tmp_path / "cards")
    family = folder / "painted.toml"
    family.write_text(
        family.read_text().replace('label = "Image"', 'label = "Image"\nnote = "<script>alert(1)</script>"')
    )
    with porch(tmp_path, worker=False, cards_dir=str(folder)) as sly:
        text = sly.get(f"{sly.url}/docs").text

    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
