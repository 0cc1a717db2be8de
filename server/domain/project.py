"""Projects: who may ask, and how they prove it."""

from dataclasses import dataclass
from enum import StrEnum

from server.domain.types import ProjectId


class AuthMethod(StrEnum):
    """How a project authenticates; fixed when it is created."""

    SIGNATURE = "signature"
    KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A project about to be written. The key is kept as its SHA-256, the secret encrypted (None for key projects)."""

    name: str
    auth: AuthMethod
    key_hash: str
    key_prefix: str
    secret_encrypted: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as its row says."""

    id: ProjectId
    name: str
    auth: AuthMethod
    key_prefix: str
    secret_encrypted: bytes | None
    created_at: float
