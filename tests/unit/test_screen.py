"""Screening: a pause after many refusals, and its end."""

import pytest

from models.catalogue import Catalogue
from models.gate.gate import FAULT, Gate, load_gate
from models.gate.matcher import Findings
from server.adapters.memory.refusals import MemoryRefusalLog
from server.domain.errors import Refused
from server.domain.types import ProjectId
from server.services.screen import PAUSE, STRIKES, STRIKES_WITHIN, Screen, screen

ME, OTHER = ProjectId(1), ProjectId(2)
[CARD, *_] = Catalogue.load()


class Room:
    def __init__(self, gate: Gate) -> None:
        self.now = 1000.0
        self.log = MemoryRefusalLog(now=lambda: self.now)
        self.screen = Screen(gate, self.log)

    def refuses(self, prompt: str, project: ProjectId = ME) -> bool:
        try:
            screen(self.screen, project, CARD, {"prompt": prompt, "steps": 20, "negativePrompt": "child, nudity"})
        except Refused:
            return True
        return False


@pytest.fixture
def room() -> Room:
    return Room(load_gate())


def test_the_pause_begins_with_the_last_strike_and_ends(room: Room):
    for _ in range(STRIKES):
        assert not room.refuses("a lake")
        assert room.refuses("an infant, nudity")
    assert room.refuses("a lake")
    assert not room.refuses("a lake", OTHER)
    room.now += PAUSE
    assert not room.refuses("a lake")
    assert room.refuses("an infant, nudity")
    assert room.refuses("a lake")
    room.now += STRIKES_WITHIN
    assert room.refuses("an infant, nudity")
    assert not room.refuses("a lake"), "old strikes are forgotten"


def test_a_gate_that_fails_refuses_and_says_so_in_the_audit():
    class Broken:
        def find(self, text: str) -> Findings:
            raise RuntimeError

    room = Room(Gate("1", Broken()))

    assert room.refuses("a lake")
    assert room.log.newest(1)[0].rules == (FAULT,)
