"""`easel up` prints a link that signs a browser in: once, and never into a request line."""

import re

import httpx2
import pytest

from tests.e2e.commands import Easels
from tests.e2e.processes import open_site
from tests.wire.porch import error_of


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_printed_link_is_worth_the_default_projects_credentials_once(tmp_path, host):
    with open_site(tmp_path, EASEL_HOST=host) as site:
        process = site.up()
        process.wait_for("signs a browser in")
        base, code = re.search(r"open (http://\S+)/sign-in#code=(\S+)", process.said).groups()
        assert base == f"http://127.0.0.1:{site.port}"

        first, second = (httpx2.post(f"{base}/sign-in/redeem", json={"code": code}, trust_env=False) for _ in range(2))

        made = site.default_project()
        assert (first.json()["apiKey"], first.json()["apiSecret"]) == (made.api_key, made.api_secret)
        assert "too old" in error_of(second)[1]
        assert process.said.count(code) == 1


def test_a_new_link_can_be_made_while_it_serves(tmp_path):
    easel = Easels(tmp_path)
    with open_site(easel.data) as site:
        assert "easel up" in easel.refuses("link", EASEL_PORT=str(site.port)), "there is no project yet"
        site.up().wait_for("signs a browser in")

        links = [easel("link", EASEL_PORT=str(site.port)).stdout for _ in range(2)]

        codes = [re.match(rf"open http://127.0.0.1:{site.port}/sign-in#code=(\S+)\n", link).group(1) for link in links]
        url = f"http://127.0.0.1:{site.port}/sign-in/redeem"
        answers = [httpx2.post(url, json={"code": code}, trust_env=False) for code in (*codes, codes[0])]
        assert [answer.json()["result"] for answer in answers] == [True, True, False]
        assert answers[0].json()["apiKey"] == site.default_project().api_key
    assert "does not answer" in easel.refuses("link", EASEL_PORT=str(site.port))
