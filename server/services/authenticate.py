"""Authenticate a call: find the project by its key, and check the signature if the project signs."""

import hashlib
import hmac
from dataclasses import dataclass

from server.domain.errors import NotAuthorized
from server.domain.project import AuthMethod, Project
from server.ports import ProjectStore, SecretBox
from server.services.projects import hash_key


@dataclass(frozen=True, slots=True)
class Proof:
    """The three headers, as bytes, as they were sent; None where absent."""

    api_key: bytes | None
    nonce: bytes | None
    signature: bytes | None


def authenticate(projects: ProjectStore, box: SecretBox, proof: Proof) -> Project:
    """Return the caller's project; raise NotAuthorized.

    The signature is hex HMAC-SHA256(key = API key, message = API secret + nonce). It binds neither body nor time, and
    clients reuse nonces (wire contract, trap 4): it is checked and nothing else. Key projects ignore it.
    """
    project = None if not proof.api_key else projects.by_key_hash(hash_key(proof.api_key))
    if project is None or not proof.api_key:
        raise NotAuthorized("Project authorization is not founded.")
    if project.auth is AuthMethod.KEY:
        return project
    if not proof.nonce or not proof.signature:
        raise NotAuthorized("Project requires signature authentication. x-signature and x-nonce headers are required.")
    assert project.secret_encrypted is not None
    secret = box.open(project.secret_encrypted, hash_key(proof.api_key))
    expected = hmac.new(proof.api_key, secret.encode() + proof.nonce, hashlib.sha256).hexdigest().encode()
    # `openssl dgst` prints "SHA2-256(stdin)= <hex>", and shells send all of it (trap 17).
    words = proof.signature.split()
    if not words or not hmac.compare_digest(words[-1].lower(), expected):
        raise NotAuthorized
    return project
