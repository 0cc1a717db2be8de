"""LoRA files that were read lately, so that tasks that take turns don't read and check theirs anew."""

from pathlib import Path

from models.lora_header import Layers
from pipelines.byte_cache import ByteCache
from pipelines.contract import LoraUse
from pipelines.errors import GenerationError
from pipelines.lora_files import LoraFile, read_lora


class LoraShelf:
    """Reads LoRA files for one set of layers, and keeps up to `most_bytes` of what it read, in host memory."""

    def __init__(self, layers: Layers, most_bytes: int) -> None:
        self._layers = layers
        self._files = ByteCache[LoraFile](most_bytes)
        self.hits = 0
        self.misses = 0

    def read(self, use: LoraUse) -> LoraFile:
        """Return the LoRA of `use`, read anew where its file has changed.

        Raises:
            GenerationError: it can't be used.
        """
        try:
            found = Path(use.path).stat()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "its path is no path"
            raise GenerationError(f"LoRA {use.name} can't be used: {reason}.") from error
        key = (use.name, use.path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        file = self._files.get(key)
        if file is not None:
            self.hits += 1
        else:
            self.misses += 1
            file = read_lora(use, self._layers)
            self._files.put(key, file, file.nbytes)
        return file

    def clear(self) -> None:
        """Let go of all files."""
        self._files.clear()
