"""The pages: whole, safe, kept by browsers, and worth nothing to whoever has no key."""

import re
import time

import httpx2
import pytest

from server.domain.errors import Unavailable
from server.services.projects import Credentials
from server.services.sign_in import SignInLinks
from server.web.assets import assets
from tests.wire.porch import error_of, porch
from tests.wire.test_docs_page import Reader

MODEL = "/models/hevok/studio-trigger"
PAGES = ("/", "/sign-in", "/models", MODEL, "/tasks", "/tasks/1")
LINKED = Credentials("default", "key-of-a-link", "secret-of-a-link")


def read(answer: httpx2.Response) -> Reader:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    reader = Reader()
    reader.feed(answer.text)
    return reader


@pytest.mark.parametrize("path", PAGES)
def test_a_page_takes_nothing_from_elsewhere_and_runs_nothing_inline(idle, path):
    answer = idle.get(idle.url + path)

    assert answer.status_code == 200
    reader = read(answer)
    assert not re.search(r"<script(?![^>]* src=)|<style|javascript:", answer.text)
    assert [it for it in reader.addresses if re.match(r"\w+:|//", it)] == []
    assert len(reader.ids) == len(set(reader.ids))
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert f"connect-src 'self' ws://127.0.0.1:{idle.port}" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_sent_once_and_asked_for_again(idle, path):
    first = idle.get(idle.url + path)
    again = idle.get(idle.url + path, headers={"if-none-match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


def test_every_asset_that_a_page_or_a_module_names_is_there_and_kept_for_ever(idle):
    linked = {it for path in PAGES for it in read(idle.get(idle.url + path)).addresses if it.startswith("/static/")}
    imported = {
        f"/static/{assets().version}/{name.decode()}"
        for asset in assets().files.values()
        for name in re.findall(rb"from '\./([\w.-]+)'", asset.content)
    }

    assert linked
    for address in linked | imported:
        answer = idle.get(idle.url + address)
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        known = idle.get(idle.url + address, headers={"if-none-match": answer.headers["etag"]})
        assert known.status_code == 304


def test_another_versions_page_still_gets_scripts_but_may_not_keep_them(idle):
    answer = idle.get(f"{idle.url}/static/0123456789ab/shell.js")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("file", ["nothing.js", "__init__.py", "..%2Frendering.py", "%2e%2e/base.html"])
def test_no_other_file_is_served(idle, file):
    assert idle.get(f"{idle.url}/static/{assets().version}/{file}").status_code == 404


def test_behind_a_proxy_the_links_keep_its_prefix(tmp_path):
    with porch(tmp_path, worker=False, public_url="https://example.org/easel") as behind:
        answer = behind.get(f"{behind.url}/models")

    assert f'href="/easel/static/{assets().version}/easel.css"' in answer.text
    assert 'data-root="/easel"' in answer.text
    assert "wss://example.org" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("content", "blurred"), [("show", False), ("blur", True)])
def test_pictures_are_blurred_by_the_pages_where_the_operator_wants_it(tmp_path, content, blurred):
    with porch(tmp_path, worker=False, content=content) as opened:
        assert ('class="blur"' in opened.get(f"{opened.url}/models").text) is blurred


def test_the_front_is_the_dashboard_and_holds_nothing_of_anybody(idle):
    idle.run(prompt="somebody's wish")
    reader = read(idle.get(f"{idle.url}/"))

    assert {"waiting", "throughput", "latency", "workers", "queue", "failures"} <= set(reader.ids)
    assert "somebody" not in idle.get(f"{idle.url}/").text


def test_the_models_page_lists_every_model(idle):
    text = idle.get(f"{idle.url}/models").text

    assert f'href="{MODEL}"' in text
    assert 'href="/models/stabilityai/stable-diffusion-xl-base-1.0"' in text


def test_a_models_page_has_a_field_for_each_parameter_and_leads_to_the_texts(idle):
    reader, text = read(idle.get(idle.url + MODEL)), idle.get(idle.url + MODEL).text
    tool = idle.post("Tool/Detail", {"slugowner": "hevok", "slugproject": "studio-trigger"}).json()["tool"][0]

    named = [item["id"] for group in tool["parameters"] for item in group["items"]]
    assert [name for name in named if f'name="{name}"' not in text] == []
    assert {f"{MODEL}/llms.txt", f"{MODEL}/llms-full.txt"} <= set(reader.addresses)


def test_a_missing_model_is_a_page_that_says_so(idle):
    answer = idle.get(f"{idle.url}/models/hevok/nothing")

    assert answer.status_code == 404
    assert "no such model" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


BROWSER = {"accept": "text/html,application/xhtml+xml"}


def test_people_read_of_a_missing_page_and_programs_of_an_error(idle):
    shown = idle.get(f"{idle.url}/nothing", headers=BROWSER)

    assert (shown.status_code, "no such page" in shown.text) == (404, True)
    read(shown)
    assert error_of(idle.get(f"{idle.url}/nothing"), 404) == (0, "Error parsing url.")
    assert error_of(idle.get("nothing", headers=BROWSER), 404) == (0, "Error parsing url.")


class Away:
    def runs(self):
        raise Unavailable


def test_people_read_that_the_database_is_away(tmp_path):
    with porch(tmp_path, worker=False, wired={"statistics": Away()}) as broken:
        shown = broken.get(f"{broken.url}/models", headers=BROWSER)

    assert (shown.status_code, shown.headers["retry-after"]) == (503, "5")
    assert "can&#39;t be reached" in shown.text
    read(shown)


def test_a_tasks_page_tells_nothing_of_the_task(idle):
    known = idle.get(f"{idle.url}/tasks/{idle.run()['taskid']}").text
    unknown = idle.get(f"{idle.url}/tasks/999999").text

    assert re.sub(r"Task \d+|data-id=\S+", "", known) == re.sub(r"Task \d+|data-id=\S+", "", unknown)


def test_what_stands_in_an_address_is_text_on_the_page(idle):
    text = idle.get(f"{idle.url}/tasks/%3Cscript%3Ealert(1)%3C%2Fscript%3E").text

    assert "<script>alert" not in text


def test_a_link_is_worth_the_credentials_once(tmp_path):
    links = SignInLinks(time.time, LINKED)
    code = links.issue()
    with porch(tmp_path, worker=False, wired={"sign_in": links}) as linked:
        url = f"{linked.url}/sign-in/redeem"
        first, second = (linked.get(url, "POST", json={"code": code}) for _ in range(2))
        wrong = linked.get(url, "POST", json={"code": "x"})

    assert first.json() | {"errors": []} == {
        "result": True,
        "errors": [],
        "name": LINKED.name,
        "apiKey": LINKED.api_key,
        "apiSecret": LINKED.api_secret,
    }
    assert first.headers["cache-control"] == "no-store"
    assert error_of(second) == error_of(wrong)
    assert "used, or is too old" in error_of(second)[1]


def test_where_no_links_are_made_none_is_redeemed(idle):
    _, message = error_of(idle.get(f"{idle.url}/sign-in/redeem", "POST", json={"code": "x"}))

    assert "no sign-in links" in message
