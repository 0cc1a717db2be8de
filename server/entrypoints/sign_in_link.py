"""The link that signs a browser in to the project whose key lies in the data folder."""

import json

from server.entrypoints.addresses import local_url
from server.services.projects import Credentials
from server.services.sign_in import LIFETIME
from server.settings import Settings


def default_credentials(settings: Settings) -> Credentials | None:
    """Return the key and secret that `easel up` wrote down at its first start; None where there are none."""
    try:
        written = json.loads((settings.data_dir / "project.json").read_text(encoding="utf-8"))
        return Credentials(str(written["name"]), str(written["apiKey"]), written["apiSecret"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def base_address(settings: Settings, port: int) -> str:
    """Return where a browser on this machine finds the pages."""
    return settings.public_url or local_url(settings.host, port)


def link_lines(code: str, base: str) -> tuple[str, str]:
    """Return what a person is told of a code: the link, and what it is good for."""
    # Behind the #: browsers don't send that part, so the code is in no log and no Referer.
    link = f"{base}/sign-in#code={code}"
    return f"open {link}", f"     (signs a browser in, once, within {LIFETIME / 60:.0f} minutes)"
