"""Hashes of large files, each read once and remembered."""

import hashlib
import json
import os
import secrets
import threading
from pathlib import Path
from typing import Final, cast

_CHUNK: Final = 4 << 20


class CachedHashes:
    """Implements `Hashes`. `cache` is a JSON file that remembers them by path, size and time of change.

    A cache that can't be read or written costs time, nothing else.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, str] | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def sha256(self, path: Path) -> str:
        """See `Hashes.sha256`."""
        real = path.resolve(strict=True)
        status = real.stat()
        key = f"{real}|{status.st_size}|{status.st_mtime_ns}"
        with self._lock:  # whoever wants the same file waits for it
            if self._known is None:
                self._known = self._read()
            if key not in self._known:
                self._known[key] = self._hash(real)
                self._write(self._known)
            return self._known[key]

    def stop(self) -> None:
        """See `Hashes.stop`."""
        self._stopped.set()

    def _hash(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                if self._stopped.is_set():
                    raise OSError("stopped while reading")
                digest.update(piece)
        return digest.hexdigest()

    def _read(self) -> dict[str, str]:
        try:
            content: object = json.loads(self._cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        entries = cast("dict[object, object]", content)
        return {key: value for key, value in entries.items() if isinstance(key, str) and isinstance(value, str)}

    def _write(self, known: dict[str, str]) -> None:
        # Aside and renamed: another worker may read it now.
        aside = self._cache.with_name(f"{self._cache.name}.{secrets.token_hex(4)}.tmp")
        try:
            aside.write_text(json.dumps(known, indent=1), encoding="utf-8", errors="surrogatepass")
            os.replace(aside, self._cache)  # noqa: PTH105 as the other adapters do
        except (OSError, ValueError):
            aside.unlink(missing_ok=True)
