"""A run's log, bounded: a task that floods it neither fills the table nor drowns its sockets."""

from collections import deque
from typing import Final

MAX_LINE: Final = 500
MAX_TAIL: Final = 3000
"""Characters kept for `task_output_full`: with JSON around it the frame stays below the 4 KB some clients read."""
MAX_EVENTS: Final = 50


def clean(text: str) -> str:
    """Return `text` without what no database takes: NUL, and halves of surrogate pairs (file names may hold them)."""
    return text.encode(errors="replace").decode().replace("\0", "?")


class LogTail:
    """Collects lines; says which of them are worth an event of their own."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0
        self._seen = 0

    def note(self, line: str) -> str:
        """Take a line; return it cleaned and shortened."""
        line = clean(line).strip()[:MAX_LINE]
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > MAX_TAIL:
            self._size -= len(self._lines.popleft()) + 1
        return line

    def add(self, line: str) -> str | None:
        """Take a line; return it, shortened, if it should be an event, or None."""
        line = self.note(line)
        self._seen += 1
        if self._seen == MAX_EVENTS:
            return "The log goes on; only its end is kept."
        return line if self._seen < MAX_EVENTS else None

    def __str__(self) -> str:
        return "\n".join(self._lines)
