"""Credentials in rotation, revocation and limits of projects."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from server.domain.errors import BadRequest
from server.domain.project import Credential
from tests.stores import Stores, new_project

NEW = Credential(key_hash="new-hash", key_prefix="newkey", secret_encrypted=b"new")


def test_the_old_credential_retires(stores: Stores):
    old = stores.project("fox")
    now = stores.projects.rotate(old, NEW, grace_seconds=60)

    assert now is not None
    assert now.credential == NEW
    assert now.retiring is not None
    assert Credential(**{name: value for name, value in asdict(now.retiring).items() if name != "until"}) == (
        old.credential
    )
    assert stores.projects.by_key_hash("new-hash") == now
    assert stores.projects.by_key_hash(old.key_hash) == now
    assert stores.projects.by_name("fox") == now
    assert stores.projects.all() == [now]
    assert now.live("new-hash") == (NEW,)
    assert now.live(old.key_hash) == (now.retiring,)
    assert now.live("another") == ()


@pytest.mark.parametrize("way", ["by the clock", "by hand", "at once"])
def test_the_grace_ends(stores: Stores, way: str):
    old = stores.project("fox")
    stores.projects.rotate(old, NEW, grace_seconds={"by the clock": 0.001, "by hand": 60, "at once": 0}[way])
    if way == "by hand":
        stores.projects.end_grace(old.id)
    while way == "by the clock" and stores.projects.by_key_hash(old.key_hash):
        pass
    assert stores.projects.by_key_hash(old.key_hash) is None
    found = stores.projects.by_key_hash("new-hash")
    assert found is not None
    assert found.retiring is None
    assert found == stores.projects.by_name("fox")


def test_a_secret_alone_may_change(stores: Stores):
    old = stores.project("fox")
    now = stores.projects.rotate(old, replace(old.credential, secret_encrypted=b"new"), 60)
    assert now is not None
    assert [one.secret_encrypted for one in now.live(old.key_hash)] == [b"new", old.secret_encrypted]


def test_of_two_rotations_at_once_one_is_told(stores: Stores):
    old = stores.project("fox")

    def work(number: int):
        new = Credential(key_hash=f"hash-{number}", key_prefix="", secret_encrypted=b"s")
        return stores.projects.rotate(old, new, 60)

    with ThreadPoolExecutor(4) as pool:
        made = [project for project in pool.map(work, range(4)) if project]
    assert made == stores.projects.all()
    assert stores.projects.rotate(old, NEW, 0) is None


def test_a_key_is_taken_once(stores: Stores):
    old = stores.project("fox")
    with pytest.raises(BadRequest, match="key"):
        stores.projects.create(replace(new_project("bear"), key_hash=old.key_hash))
    stores.projects.rotate(old, NEW, grace_seconds=60)
    for taken in (old.key_hash, "new-hash"):
        with pytest.raises(BadRequest, match="key"):
            stores.projects.create(replace(new_project("bear"), key_hash=taken))
    stores.projects.end_grace(old.id)
    bear = stores.projects.create(replace(new_project("bear"), key_hash=old.key_hash))
    assert stores.projects.by_key_hash(old.key_hash) == bear


def test_a_revoked_project_has_nothing_live(stores: Stores):
    project = stores.project("fox")
    stores.projects.set_revoked(project.id, revoked=True)
    revoked = stores.projects.by_key_hash(project.key_hash)
    assert revoked is not None
    assert revoked.revoked_at is not None
    assert revoked.live(project.key_hash) == ()
    stores.projects.set_revoked(project.id, revoked=False)
    assert stores.projects.by_key_hash(project.key_hash) == project


def test_limits_of_its_own(stores: Stores):
    project = stores.project("fox")
    assert (project.queued_limit, project.running_limit) == (None, None)
    stores.projects.set_limits(project.id, queued=7, running=2)
    assert stores.projects.by_name("fox") == replace(project, queued_limit=7, running_limit=2)
    stores.projects.set_limits(project.id, queued=None, running=None)
    assert stores.projects.by_name("fox") == project


def test_nobody_has_an_unknown_name(stores: Stores):
    assert stores.projects.by_name("nobody") is None
