"""Projects and the worker registry."""

import time
from dataclasses import replace

import pytest

from server.domain.errors import BadRequest
from server.domain.project import AuthMethod
from server.domain.types import WorkerId
from server.domain.worker import Wish, Worker, WorkerState
from tests.stores import Stores, new_project

ANNA = Worker(id=WorkerId("anna"), host="box", pid=7, engine="sdxl", device="", state=WorkerState.LOADING)
BERT = replace(ANNA, id=WorkerId("bert"), engine="fake", device="cuda:0", state=WorkerState.READY)


class TestProjects:
    @pytest.mark.parametrize(("auth", "secret"), [(AuthMethod.SIGNATURE, b"\x00\xff\x80"), (AuthMethod.KEY, None)])
    def test_a_project_comes_back_as_it_was_written(self, stores: Stores, auth, secret):
        new = replace(new_project("fox"), auth=auth, secret_encrypted=secret)
        project = stores.projects.create(new)
        assert (project.name, project.auth, project.key_prefix) == ("fox", auth, new.key_prefix)
        assert project.secret_encrypted == secret
        assert project.created_at == pytest.approx(time.time(), abs=5)
        assert stores.projects.by_key_hash(new.key_hash) == project
        assert stores.projects.all() == [project]

    def test_a_name_is_taken_once(self, stores: Stores):
        first = stores.projects.create(new_project("fox"))
        with pytest.raises(BadRequest, match="name"):
            stores.projects.create(replace(new_project("fox"), key_hash="another"))
        assert stores.projects.by_key_hash("another") is None
        assert stores.projects.all() == [first]

    def test_all_are_sorted_by_name(self, stores: Stores):
        for name in ("b", "a", "C", "ä", "_"):
            stores.projects.create(new_project(name))
        assert [project.name for project in stores.projects.all()] == ["C", "_", "a", "b", "ä"]

    def test_an_unknown_key_has_no_project(self, stores: Stores):
        assert stores.projects.by_key_hash("") is None
        assert stores.projects.all() == []


class TestWorkers:
    def test_who_beats_is_alive(self, stores: Stores):
        stores.workers.beat(BERT)
        stores.workers.beat(ANNA)
        assert stores.workers.alive(60) == [ANNA, BERT]

    def test_who_has_not_beaten_lately_is_not(self, stores: Stores):
        stores.workers.beat(ANNA)
        assert stores.workers.alive(-1) == []

    def test_a_beat_overwrites_the_last_one(self, stores: Stores):
        stores.workers.beat(ANNA)
        ready = replace(ANNA, device="cpu", state=WorkerState.READY)
        stores.workers.beat(ready)
        assert stores.workers.alive(60) == [ready]

    def test_who_leaves_is_gone(self, stores: Stores):
        stores.workers.beat(ANNA)
        stores.workers.beat(BERT)
        stores.workers.leave(ANNA.id)
        stores.workers.leave(WorkerId("never came"))
        assert stores.workers.alive(60) == [BERT]

    def test_a_wish_reaches_all_of_a_name_with_their_next_beat(self, stores: Stores):
        twins = [replace(ANNA, name="attic"), replace(BERT, name="attic")]
        other = replace(ANNA, id=WorkerId("other"), name="cellar")
        for each in (*twins, other):
            assert stores.workers.beat(each) is None

        assert stores.workers.wish("attic", Wish.LEAVE) == 2
        assert [stores.workers.beat(each) for each in (*twins, other)] == [Wish.LEAVE, Wish.LEAVE, None]
        assert stores.workers.wish("attic", None) == 2
        assert [stores.workers.beat(each) for each in twins] == [None, None]
        assert stores.workers.wish("nobody", Wish.STAY) == 0

    def test_only_silent_ones_are_forgotten(self, stores: Stores):
        stores.workers.beat(ANNA)

        assert stores.workers.forget_silent(60) == 0
        assert stores.workers.alive(60) == [ANNA]
        assert stores.workers.forget_silent(-60) == 1
        assert stores.workers.alive(60) == []
