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

_UNREADABLE: Final = "This server can't read its projects' secrets. Tell the operator."
_TODO: Final = "Restore the key file that belongs to the database, and check EASEL_DATA_DIR."


class FileKeySecretBox:
    """AES-256-GCM; the key is made by the first `seal` (mode 0600) and must be kept as carefully as the database."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._cipher: AESGCM | None = None

    def seal(self, plain: str, context: str) -> bytes:
        """Return nonce + ciphertext; make the key if there is none yet."""
        if self._cipher is None and not self._key_file.exists():
            self._make()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead().encrypt(nonce, plain.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Return the plain text. Never makes a key: a new one opens nothing, and hides that the old one is missing."""
        try:
            plain = self._aead().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            self._cipher = None  # the right key may be put back while this process runs
            raise _unreadable(f"The key in {self._key_file} does not open this database's secrets.") from None
        return plain.decode()

    def check(self) -> None:
        """Raise Unavailable unless there is a key to open secrets with."""
        self._read()

    def _aead(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._read())
        return self._cipher

    def _read(self) -> bytes:
        try:
            key = self._key_file.read_bytes()
        except FileNotFoundError:
            raise _unreadable(f"{self._key_file} is missing, the key of the projects' secrets.") from None
        except OSError as error:
            raise _unreadable(f"{self._key_file} can't be read: {error.strerror}.") from None
        if len(key) != _KEY_BYTES:
            raise _unreadable(f"{self._key_file} is not a key file of easel.")
        return key

    def _make(self) -> None:
        self._key_file.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may start at once: link() lets exactly one key become the file, and both read that one.
        aside = self._key_file.with_name(f"{self._key_file.name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, self._key_file)
        except FileExistsError:
            pass
        finally:
            aside.unlink()


def _unreadable(what: str) -> Unavailable:
    return Unavailable(_UNREADABLE, detail=f"{what} {_TODO}")
