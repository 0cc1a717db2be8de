"""Keep files that clients send, and make the folders they are kept in."""

import contextlib
import logging
import re
from collections.abc import Generator, Sequence
from typing import Final

from server.domain.errors import BadRequest, FilesAway, NoSuchFolder, Unavailable
from server.domain.files import ROOT, Folder, Upload
from server.domain.types import FolderId, JsonValue, ProjectId
from server.ports.files import UploadStore
from server.services.incoming import Incoming

_log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ID: Final = re.compile(r"[0-9]{1,18}")
_PATIENCE: Final = 3600.0
"""Seconds between a file's last byte and its row, at the most: a slow disk, a busy database."""


def make_folder(uploads: UploadStore, project_id: ProjectId, name: JsonValue, parent: JsonValue) -> Folder:
    """Return the folder of that name, made if it isn't there. Raises BadRequest, NoSuchFolder."""
    text = _text(name)
    if not text:
        raise BadRequest("Request parameter [name] required")
    if not _NAME.fullmatch(text):
        raise BadRequest("Request parameter [name] must be at most 255 letters, digits, - and _")
    return uploads.make_folder(project_id, text, _folder_id(parent))


def upload(
    uploads: UploadStore, project_id: ProjectId, folder: JsonValue, incoming: Sequence[Incoming]
) -> Sequence[Upload]:
    """Keep the files in the folder; all or none. Raises BadRequest, NoSuchFolder."""
    if not incoming:
        raise BadRequest("Request files [file] required")
    folder_id = _folder_id(folder)
    with kept(uploads, incoming):
        return uploads.add(project_id, folder_id, [each.upload for each in incoming])


@contextlib.contextmanager
def kept(uploads: UploadStore, incoming: Sequence[Incoming]) -> Generator[None, None, None]:
    """Make the files durable, then let the block write their rows. What has no row in the end is erased.

    Raises Unavailable when the disk refuses, or the files are away.
    """
    uploads.expect([each.upload.key for each in incoming], _PATIENCE)
    try:
        for each in incoming:
            each.finish()
    except OSError as error:
        _erase(incoming)
        raise cannot_store(error) from error
    except FilesAway:
        _erase(incoming)
        raise
    try:
        yield
    except Unavailable:
        raise  # it may have been committed all the same; if it wasn't, the keys become erasable in time
    except BaseException:
        _erase(incoming)
        raise


def cannot_store(error: OSError) -> Unavailable:
    """Return what to tell a client whose file the disk refuses."""
    _log.error("a file that a client sent can't be stored: %s", error)
    return Unavailable(f"The file can't be stored: {error.strerror or 'the disk refuses it'}. Tell the operator.")


def _erase(incoming: Sequence[Incoming]) -> None:
    for each in incoming:
        try:
            each.erase()
        except (OSError, FilesAway) as error:
            _log.warning("a file that is not kept could not be erased: %s", error)


def _folder_id(given: JsonValue) -> FolderId:
    text = _text(given)
    if not text:
        return ROOT
    if not _ID.fullmatch(text):
        raise NoSuchFolder
    return FolderId(int(text))


def _text(value: JsonValue) -> str:
    """Return text or a number as trimmed text; "" for nothing, and what nothing is named for anything else."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else "?"
