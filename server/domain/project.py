"""Projects: who may ask, and how they prove it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.types import ProjectId

NAME_TAKEN: Final = "A project of this name exists already."
KEY_TAKEN: Final = "A project with this key exists already: `easel project list` shows how each key begins."


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
class Credential:
    """A key, and the secret that goes with it, as they are kept."""

    key_hash: str
    key_prefix: str
    secret_encrypted: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring(Credential):
    """What a rotation replaced: it is let in until then (unix seconds, database time)."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as its row says.

    `retiring` is None once its time is over. A limit of its own overrides the server's; None means the server's.
    """

    id: ProjectId
    name: str
    auth: AuthMethod
    key_hash: str
    key_prefix: str
    secret_encrypted: bytes | None
    created_at: float
    retiring: Retiring | None = None
    revoked_at: float | None = None
    queued_limit: int | None = None
    running_limit: int | None = None

    @property
    def credential(self) -> Credential:
        """The newest key and secret."""
        return Credential(key_hash=self.key_hash, key_prefix=self.key_prefix, secret_encrypted=self.secret_encrypted)

    def live(self, key_hash: str) -> tuple[Credential, ...]:
        """Return what a caller with this key may prove itself with: nothing once the project is revoked."""
        kept = (self.credential, self.retiring)
        return () if self.revoked_at is not None else tuple(one for one in kept if one and one.key_hash == key_hash)
