"""`easel up` prints a link that signs a browser in: once, and never into a request line."""

import re

import httpx2
import pytest

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
