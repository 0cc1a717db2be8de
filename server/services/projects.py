"""Create projects: keys and secrets are made here, shown once, and kept hashed or encrypted."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from server.domain.errors import BadRequest
from server.domain.project import AuthMethod, NewProject
from server.ports import ProjectStore, SecretBox

_KEY_CHARS: Final = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs, shown once. `api_secret` is None for key projects."""

    name: str
    api_key: str
    api_secret: str | None


def hash_key(api_key: bytes) -> str:
    """Return the SHA-256 under which a key is looked up. Keys are 192-bit random: a slow hash would add nothing."""
    return hashlib.sha256(api_key).hexdigest()


def create_project(projects: ProjectStore, box: SecretBox, name: str, auth: AuthMethod) -> Credentials:
    """Create a project. Raises BadRequest for a blank or taken name."""
    name = name.strip()
    if not name:
        raise BadRequest("A project needs a name.")
    api_key = secrets.token_urlsafe(_KEY_CHARS * 3 // 4)
    api_secret = secrets.token_urlsafe(_KEY_CHARS * 3 // 4) if auth is AuthMethod.SIGNATURE else None
    key_hash = hash_key(api_key.encode())
    sealed = None if api_secret is None else box.seal(api_secret, key_hash)
    new = NewProject(name=name, auth=auth, key_hash=key_hash, key_prefix=api_key[:6], secret_encrypted=sealed)
    projects.create(new)
    return Credentials(name, api_key, api_secret)
