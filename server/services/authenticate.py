"""Authenticate a call: find the project by its key, and check the signature if the project signs."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from server.domain.errors import NotAuthorized
from server.domain.project import AuthMethod, Credential, Project
from server.ports import ProjectStore, SecretBox
from server.services.projects import hash_key

_MAX_NONCE: Final = 1024
_SIGNATURE_LENGTH: Final = 64
_FIRST_PRINTABLE: Final = 0x20
_DELETE: Final = 0x7F
_NOBODY: Final = b"the secret of nobody, as long as one"


@dataclass(frozen=True, slots=True)
class Proof:
    """The three headers, as bytes, as they were sent; None where absent."""

    api_key: bytes | None
    nonce: bytes | None
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class Proven:
    """Who calls, and what he has proved it with."""

    project: Project
    credential: Credential


def authenticate(projects: ProjectStore, box: SecretBox, proof: Proof) -> Proven:
    """Return who calls; raise NotAuthorized.

    The signature is hex HMAC-SHA256(key = API key, message = API secret + nonce). It binds neither body nor time, and
    clients reuse nonces (wire contract, trap 4): it is checked and nothing else. Key projects ignore it. Each call
    reads the database: a key that was revoked, or has retired, is refused by every process from the next call on.
    """
    key = proof.api_key or b""
    key_hash = hash_key(key)
    project = projects.by_key_hash(key_hash) if key else None
    live = () if project is None else project.live(key_hash)
    if project is None or not live:
        _signs(key, _NOBODY, proof)  # the same work as for a known key
        raise NotAuthorized("Project authorization is not founded.")
    if project.auth is AuthMethod.KEY:
        return Proven(project, live[0])
    if not proof.nonce or not proof.signature:
        raise NotAuthorized("Project requires signature authentication. x-signature and x-nonce headers are required.")
    # After a rotation of the secret alone there are two.
    proven = [credential for credential in live if _signs(key, _secret(box, credential), proof)]
    if not proven:
        raise NotAuthorized
    return Proven(project, proven[0])


def _secret(box: SecretBox, credential: Credential) -> bytes:
    assert credential.secret_encrypted is not None
    return box.open(credential.secret_encrypted, credential.key_hash).encode()


def _signs(key: bytes, secret: bytes, proof: Proof) -> bool:
    """Whether the signature is right. Bytes throughout: text with other than ASCII can't be compared safely."""
    nonce, sent = proof.nonce or b"", proof.signature or b""
    expected = hmac.new(key, secret + nonce, hashlib.sha256).hexdigest().encode()
    # `openssl dgst` prints "SHA2-256(stdin)= <hex>", and shells send all of it (trap 17).
    last = next(iter(reversed(sent.split())), b"")
    fits = len(last) == _SIGNATURE_LENGTH and 0 < len(nonce) <= _MAX_NONCE and _printable(nonce)
    return hmac.compare_digest(last.lower(), expected) and fits


def _printable(nonce: bytes) -> bool:
    return all(byte >= _FIRST_PRINTABLE and byte != _DELETE for byte in nonce)
