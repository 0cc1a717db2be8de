"""The secrets webhooks are signed with: made when first needed, kept encrypted, changed with an overlap."""

import secrets
from collections.abc import Sequence
from typing import Final

from server.domain.signature import SECRET_BYTES, secret_text
from server.domain.types import ProjectId
from server.ports import SecretBox
from server.ports.webhooks import WebhookStore

OVERLAP_SECONDS: Final = 86400.0
"""How long a replaced secret signs beside the new one."""


def signing_secrets(webhooks: WebhookStore, box: SecretBox, project_id: ProjectId) -> Sequence[str]:
    """Return the project's secrets (`whsec_…`), newest first; make the first if there is none."""
    sealed = webhooks.secrets(project_id)
    if not sealed:
        _add(webhooks, box, project_id, replaces=0)
        sealed = webhooks.secrets(project_id)
    return [box.open(one, _context(project_id)) for one in sealed]


def rotate_secret(webhooks: WebhookStore, box: SecretBox, project_id: ProjectId) -> None:
    """Give the project a new secret; the ones before it sign along for a day, so that receivers can change over."""
    _add(webhooks, box, project_id, replaces=webhooks.count_secrets(project_id))


def _add(webhooks: WebhookStore, box: SecretBox, project_id: ProjectId, *, replaces: int) -> None:
    # Where somebody was faster, his secret is the one.
    sealed = box.seal(secret_text(secrets.token_bytes(SECRET_BYTES)), _context(project_id))
    webhooks.add_secret(project_id, sealed, replaces=replaces, overlap=OVERLAP_SECONDS)


def _context(project_id: ProjectId) -> str:
    return f"webhooks of project {project_id}"
