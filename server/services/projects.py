"""Create projects: keys and secrets are made here, shown once, and kept hashed or encrypted."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Final

from server.domain.errors import BadRequest
from server.domain.project import AuthMethod, Credential, NewProject, Project
from server.ports import ProjectStore, SecretBox

_KEY_CHARS: Final = 32
_PREFIX_CHARS: Final = 6


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
    made = Credentials(name.strip(), make_key(), make_key() if auth is AuthMethod.SIGNATURE else None)
    write_project(projects, box, made)
    return made


def make_key() -> str:
    """Return a new key or secret of 192 random bits."""
    return secrets.token_urlsafe(_KEY_CHARS * 3 // 4)


def write_project(projects: ProjectStore, box: SecretBox, given: Credentials) -> Project:
    """Write a project with these credentials. Raises BadRequest for a blank or taken name, or a taken key."""
    if not given.name:
        raise BadRequest("A project needs a name.")
    auth = AuthMethod.KEY if given.api_secret is None else AuthMethod.SIGNATURE
    return projects.create(NewProject(name=given.name, auth=auth, **asdict(_kept(box, given))))


def _kept(box: SecretBox, given: Credentials) -> Credential:
    """Return key and secret as they are kept: hashed, and encrypted in the key's context."""
    key_hash = hash_key(given.api_key.encode())
    sealed = None if given.api_secret is None else box.seal(given.api_secret, key_hash)
    return Credential(key_hash=key_hash, key_prefix=prefix_of(given.api_key), secret_encrypted=sealed)


def prefix_of(api_key: str) -> str:
    """Return how the key begins, for listings; of a short one less, for it would be most of it."""
    return api_key[: min(_PREFIX_CHARS, len(api_key) // 4)]


def find_project(projects: ProjectStore, name: str) -> Project:
    """Return the project of this name. Raises BadRequest."""
    project = projects.by_name(name.strip())
    if project is None:
        raise BadRequest(f"There is no project {name.strip()!r}; `easel project list` shows which there are.")
    return project
