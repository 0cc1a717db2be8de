"""What log lines are about: the task and the request at hand, without anybody handing them around."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_ABOUT: Final[ContextVar[Mapping[str, str]]] = ContextVar("easel_log", default=_NOTHING)


@contextmanager
def about(**facts: object) -> Generator[None]:
    """Let what is logged within the block be about these facts, beside those around it: `task_id`, `request_id`."""
    token = _ABOUT.set({**_ABOUT.get(), **{name: str(value) for name, value in facts.items()}})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def what_about() -> Mapping[str, str]:
    """Return what is logged about here."""
    return _ABOUT.get()
