"""Each invariant holds for a good run and turns red for what it is there to find."""

from dataclasses import replace

import pytest

from server.domain.lifecycle import TaskStatus
from tests.chaos.evidence import EventFacts, Evidence, FileFacts, Grant, HookFacts, TaskFacts, Write
from tests.chaos.history import INFO, INVOKE, OK
from tests.chaos.invariants import INVARIANTS, check

_PATH = [
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
    "task_end",
    "task_postprocess_start",
    "task_postprocess_end",
]
_DONE = TaskFacts(
    id=1,
    token="secret-1",
    status="task_postprocess_end",
    attempt=1,
    crashes=0,
    last_seq=len(_PATH),
    pexit="0",
    samples=1,
    leased=False,
    callback=True,
)
_FILE = FileFacts(task_id=1, attempt=1, sample=0, key="outputs/1.png", sha256="aa", on_disk="aa")
_RUN = [
    {"op": "run", "kind": INVOKE, "key": "k", "first": True},
    {"op": "run", "kind": OK, "key": "k", "token": "secret-1", "id": 1},
]
_HOOK = {"op": "hook", "kind": OK, "id": "msg_1", "task": 1}


def _story(*types: str, attempt: int = 1) -> list[EventFacts]:
    return [EventFacts(seq=seq, attempt=attempt, type=one) for seq, one in enumerate(types, start=1)]


def _frames(link: str, *seqs: int, last: bool = True) -> list[dict]:
    follow = [{"op": "follow", "kind": INVOKE, "token": "secret-1"}]
    return follow + [
        {"op": "frame", "kind": OK, "token": "secret-1", "link": link, "seq": seq, "terminal": last and seq == seqs[-1]}
        for seq in seqs
    ]


def _good(**changes) -> Evidence:
    whole = {
        "tasks": {1: _DONE},
        "events": {1: _story(*_PATH)},
        "files": [_FILE],
        "hooks": [HookFacts(task_id=1, uuid="msg_1", state="delivered")],
        "history": [*_RUN, *_frames("a", 1, 2, 9), _HOOK],
        "grants": [Grant(task_id=1, token="t1", at=1.0)],
        "writes": [Write(task_id=1, token="t1", verb="task_end", at=2.0, refused=False)],
        "faults": {"file_half:kill9": 1},
        "aside": ["outputs/1.png.00000000.tmp"],
        "engines": [0, 1, 1],
    }
    return Evidence(**(whole | changes))


def _cancelled() -> TaskFacts:
    return replace(_DONE, status="task_cancel", pexit="", last_seq=2, callback=False)


def _detail(status: str, pexit: str) -> dict:
    return {"op": "detail", "kind": OK, "token": "secret-1", "status": status, "pexit": pexit}


BROKEN = {
    "I1 an answered Run is gone": _good(tasks={}, events={}, files=[], hooks=[], history=_RUN),
    "I1 a task never ends": _good(tasks={1: replace(_DONE, status="task_start")}),
    "I1 a key makes two tasks": _good(history=[*_RUN, _RUN[1] | {"token": "secret-2"}]),
    "I1 a task nobody asked for": _good(tasks={1: _DONE, 2: replace(_DONE, id=2, token="x")}, history=_RUN),
    "I2 two ends": _good(events={1: _story(*_PATH, "task_postprocess_end")}),
    "I2 something after the end": _good(events={1: _story(*_PATH, "task_error")}),
    "I2 an illegal move": _good(events={1: _story(*_PATH[:6], *_PATH[7:])}),
    "I2 drawn again after its outcome": _good(events={1: _story(*_PATH[:7], "task_queue", *_PATH[1:])}),
    "I2 row and log disagree": _good(tasks={1: replace(_DONE, status="task_postprocess_start")}),
    "I2 an end that a client saw is undone": _good(history=[*_RUN, _detail("task_cancel", "")]),
    "I2 a pexit that a client saw is another": _good(history=[*_RUN, _detail("task_postprocess_end", "1")]),
    "I3 a picture is missing": _good(files=[]),
    "I3 a file is gone": _good(files=[replace(_FILE, on_disk=None)]),
    "I3 a file is torn": _good(files=[replace(_FILE, on_disk="bb")]),
    "I3 a picture of an attempt that lost": _good(tasks={1: replace(_DONE, attempt=2)}),
    "I3 a picture twice": _good(files=[_FILE, _FILE]),
    "I3 cancelled with a pexit": _good(tasks={1: replace(_cancelled(), pexit="0")}),
    "I4 a gap": _good(events={1: [*_story(*_PATH)[:3], *_story(*_PATH)[4:]]}),
    "I4 the row counts more": _good(tasks={1: replace(_DONE, last_seq=10)}),
    "I4 a socket goes back": _good(history=[*_RUN, *_frames("a", 1, 3, 2, 9), _HOOK]),
    "I4 a socket hears twice": _good(history=[*_RUN, *_frames("a", 1, 1, 9), _HOOK]),
    "I4 a follower never sees the end": _good(history=[*_RUN, *_frames("a", 1, 2, last=False), _HOOK]),
    "I5 a stale write gets through": _good(
        grants=[Grant(task_id=1, token="t1", at=1.0), Grant(task_id=1, token="t2", at=1.5)]
    ),
    "I5 a write under no lease": _good(grants=[]),
    "I6 two engines at once": _good(engines=[1, 2]),
    "I6 an engine without a worker": _good(strays=[77]),
    "I7 never delivered": _good(hooks=[HookFacts(task_id=1, uuid="msg_1", state="pending")]),
    "I7 never written down": _good(hooks=[], history=_RUN),
    "I7 never received": _good(history=_RUN),
    "I7 two ids": _good(history=[*_RUN, _HOOK, _HOOK | {"id": "msg_2"}]),
    "I8 a cancel ends in success": _good(history=[*_RUN, {"op": "cancel", "kind": OK, "token": "secret-1"}]),
    "I8 a kill ends in success": _good(history=[*_RUN, {"op": "kill", "kind": OK, "token": "secret-1"}]),
    "I9 tried for ever": _good(tasks={1: replace(_DONE, attempt=9)}),
    "I9 crashed for ever": _good(tasks={1: replace(_DONE, crashes=3)}),
    "I10 a secret in a log": _good(leaks=["0-api.log"]),
    "I11 a file of nobody": _good(orphans=["outputs/2.png"]),
    "I11 a lease on what is over": _good(tasks={1: replace(_DONE, leased=True)}),
    "I11 files left aside": _good(faults={}),
    "I12 a damaged index": _good(damage=["row 7 missing from index"]),
}


def test_a_good_run_contradicts_nothing():
    assert check(_good()) == {}


def test_what_is_allowed_is_not_held_against_a_run():
    refused = Write(task_id=1, token="t1", verb="requeue", at=9.0, refused=True)
    later = [Grant(task_id=1, token="t1", at=1.0), Grant(task_id=1, token="t2", at=5.0)]
    again = _story(*_PATH[:6], *_PATH)
    allowed = _good(
        tasks={1: replace(_DONE, attempt=2, last_seq=len(again))},
        events={1: again},
        files=[replace(_FILE, attempt=2)],
        grants=later,
        writes=[Write(task_id=1, token="t1", verb="task_start", at=2.0, refused=False), refused],
        history=[*_RUN, {"op": "run", "kind": INFO, "key": "k"}, *_frames("a", 1), *_frames("b", 1, 15), _HOOK, _HOOK],
    )

    assert check(allowed) == {}


def test_every_invariant_has_an_evidence_that_breaks_it():
    assert {case.split()[0] for case in BROKEN} == set(INVARIANTS)


@pytest.mark.parametrize("case", BROKEN)
def test_a_violation_turns_its_invariant_red(case: str):
    assert case.split(maxsplit=1)[0] in check(BROKEN[case])


def test_every_illegal_pair_of_statuses_is_seen():
    for status in TaskStatus:
        broken = _good(events={1: _story("task_queue", "task_accept", status.value, "task_queue")})
        assert "I2" in check(broken)
