"""The secrets' key: made once, by the first secret kept; after that it is there, or its absence is said."""

import secrets
import stat
from pathlib import Path

import pytest

from server.adapters.secret_box import FileKeySecretBox
from server.domain.errors import Unavailable

CLIENTS_SENTENCE = "This server can't read its projects' secrets. Tell the operator."


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secret.key"


def test_what_is_sealed_can_be_opened_by_another_process(key: Path):
    sealed = FileKeySecretBox(key).seal("secret", "context")
    assert FileKeySecretBox(key).open(sealed, "context") == "secret"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert list(key.parent.iterdir()) == [key]


def test_opening_never_makes_a_key(key: Path):
    sealed = FileKeySecretBox(key).seal("secret", "context")
    key.unlink()
    box = FileKeySecretBox(key)
    with pytest.raises(Unavailable) as raised:
        box.open(sealed, "context")
    assert not key.exists()
    assert raised.value.message == CLIENTS_SENTENCE
    assert str(raised.value).startswith(f"{key} is missing")


def test_a_key_put_back_is_read_without_a_restart(key: Path):
    sealed = FileKeySecretBox(key).seal("secret", "context")
    right = key.read_bytes()
    key.write_bytes(secrets.token_bytes(32))
    box = FileKeySecretBox(key)
    with pytest.raises(Unavailable):
        box.open(sealed, "context")
    key.write_bytes(right)
    assert box.open(sealed, "context") == "secret"


@pytest.mark.parametrize("content", [b"", b"short", secrets.token_bytes(32)], ids=["empty", "short", "another"])
def test_a_wrong_key_is_told_to_the_operator_only(key: Path, content: bytes):
    sealed = FileKeySecretBox(key).seal("secret", "context")
    key.write_bytes(content)
    with pytest.raises(Unavailable) as raised:
        FileKeySecretBox(key).open(sealed, "context")
    assert raised.value.message == CLIENTS_SENTENCE
    assert str(key) in str(raised.value)
    assert "Restore the key file" in str(raised.value)


def test_a_secret_does_not_open_for_another_project(key: Path):
    box = FileKeySecretBox(key)
    with pytest.raises(Unavailable):
        box.open(box.seal("secret", "one"), "another")


def test_a_key_that_cannot_be_read(key: Path):
    key.mkdir(parents=True)
    with pytest.raises(Unavailable) as raised:
        FileKeySecretBox(key).check()
    assert str(raised.value).startswith(f"{key} can't be read: ")
