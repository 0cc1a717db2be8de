"""What can go wrong, by class. Each carries Wiro's error number; the porch turns the class into an HTTP status."""

from typing import ClassVar


class EaselError(Exception):
    """Something went wrong."""

    code: ClassVar[int] = 0

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").strip()
        super().__init__(self.message)


class NotAuthorized(EaselError):
    """Project authorization is not valid."""


class BadRequest(EaselError):
    """Request parameters are invalid."""


class TooManyFailures(EaselError):
    """Too many calls from this address failed to authenticate. Check the key and the secret."""

    def __init__(self, wait: int) -> None:
        super().__init__(
            "Too many calls from this address failed to authenticate. Check x-api-key, x-nonce and x-signature, and "
            f"try again in {wait} seconds."
        )
        self.wait = wait


class QueueFull(EaselError):
    """You have reached your queued task limit. Wait until a task has started, then try again."""

    code: ClassVar[int] = 96


class KeyReused(EaselError):
    """This Idempotency-Key was used for another request. Send the same body again, or a new key for a new task."""


class NotFound(EaselError):
    """There is no task yet."""

    code: ClassVar[int] = 1


class Refused(EaselError):
    """The prompt was not accepted. Change it, and wait a minute before you run it again."""


class UnknownModel(EaselError):
    """slug-owner-project-not-exist"""  # noqa: D415 Wiro's own text, sent as it is

    code: ClassVar[int] = 1


class NoSuchTask(EaselError):
    """task-not-exist"""  # noqa: D415 Wiro's own text, sent as it is

    code: ClassVar[int] = 1


class NoSuchFolder(EaselError):
    """There is no such folder. Make it with File/FolderCreate, or leave the folder's id out."""

    code: ClassVar[int] = 1


class NotPossible(EaselError):
    """The task is in a state in which this can't be done."""

    code: ClassVar[int] = 1


class Unavailable(EaselError):
    """The database can't be reached. Try again in a few seconds."""

    def __init__(self, message: str | None = None, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail

    def __str__(self) -> str:
        """Return the operator's sentence, for logs and the command line; clients get `message`."""
        return self.detail or self.message


class FilesAway(Unavailable):
    """The files can't be reached. Try again in a few seconds."""


class LeaseLost(EaselError):
    """The lease is no longer held: somebody cancelled the task, or another worker took it over. Discard and move on."""
