"""What is in a file, as a number."""

from pathlib import Path
from typing import Protocol


class Hashes(Protocol):
    """Tells files apart by their content; safe to call from any thread."""

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of the file's content (hex). Raises OSError, also after `stop`."""
        ...

    def stop(self) -> None:
        """Give up what is being read."""
        ...
