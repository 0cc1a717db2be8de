"""Secrets that must be read back, encrypted with a key file beside the data."""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.domain.errors import Unavailable

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class FileKeySecretBox:
    """AES-256-GCM; the key is made on first use (mode 0600) and must be kept as carefully as the database."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._cipher: AESGCM | None = None

    def seal(self, plain: str, context: str) -> bytes:
        """Return nonce + ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead().encrypt(nonce, plain.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Return the plain text."""
        try:
            plain = self._aead().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise Unavailable(
                f"{self._key_file} does not open this secret: restore the key file that belongs to the database."
            ) from None
        return plain.decode()

    def _aead(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._read_or_make())
        return self._cipher

    def _read_or_make(self) -> bytes:
        self._key_file.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may start at once: link() lets exactly one key become the file, and both read that one.
        aside = self._key_file.with_name(f"{self._key_file.name}.{secrets.token_hex(4)}.tmp")
        if not self._key_file.exists():
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(aside, self._key_file)
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        key = self._key_file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise Unavailable(f"{self._key_file} is not a key file of easel: restore it from a backup.")
        return key
