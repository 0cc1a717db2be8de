"""What every command stands on: the database, the secrets, the cards."""

import logging

from models.card import CardError
from models.catalogue import Catalogue
from server.adapters.secret_box import FileKeySecretBox
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.places import NetworkFilesystem
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.schema import SqlHealth
from server.adapters.sql.wal import reset_bug_warning
from server.adapters.sql.webhooks import SqlWebhookStore
from server.entrypoints.trouble import Trouble
from server.settings import Settings

_log = logging.getLogger(__name__)


def open_settled_database(settings: Settings) -> Database:
    """Open the database of the settings. Raises Trouble for a URL that can't be one."""
    if settings.embedded:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Trouble(f"The data folder {settings.data_dir} can't be made: {error.strerror}.") from None
    try:
        return open_database(settings.database)
    except NetworkFilesystem as error:
        raise Trouble(str(error)) from None
    except ValueError as error:
        raise Trouble(f"EASEL_DATABASE_URL can't be used: {error}") from None


def ensure_usable(database: Database, *, newer: bool = False) -> None:
    """Raise Unavailable unless the database is there and has this release's schema; warn of a library with a bug.

    `newer`: whether a newer release's schema will do.
    """
    SqlHealth(database).check(newer=newer)
    warning = reset_bug_warning() if database.is_sqlite else None
    if warning is not None:
        _log.warning("%s", warning)


def ensure_secrets(settings: Settings, database: Database) -> None:
    """Raise Unavailable when there are secrets but their key is not in the data folder."""
    signing = any(project.secret_encrypted is not None for project in SqlProjectStore(database).all())
    if signing or SqlWebhookStore(database).count_secrets():
        secret_box(settings).check()


def load_catalogue(settings: Settings) -> Catalogue:
    """Read the cards. Raises Trouble for one that can't be used."""
    try:
        return Catalogue.load(settings.cards_folders)
    except CardError as error:
        raise Trouble(f"A model card can't be used: {error}.") from None


def secret_box(settings: Settings) -> FileKeySecretBox:
    """Return the box whose key lies in the data folder."""
    return FileKeySecretBox(settings.data_dir / "secret.key")
