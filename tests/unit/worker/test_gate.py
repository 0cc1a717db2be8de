"""The gate in the supervisor: the expanded prompt is judged, and a refusal is the end of the task."""

from dataclasses import replace

import pytest

from models.card import DefaultLora
from models.catalogue import Catalogue
from pipelines.contract import Admit
from server.domain.errors import Refused
from server.domain.refusal import Stage
from server.worker.prepare import CardPreparation, GateRefused
from tests.unit.worker.shop import ScriptedEngine, shop


def test_a_refused_task_ends_at_once_without_pictures(tmp_path):
    engine = ScriptedEngine()
    with shop(engine, tmp_path) as opened:
        task = opened.finish(opened.run(prompt="a toddler, nudity"))
        after = opened.finish(opened.run(prompt="a lake"))
        types = opened.types(task)

        assert (task.pexit, task.message, task.attempt) == ("1", Refused().message, 1)
        assert task.files == ()
        assert not {"task_assign", "task_start", "task_output"} & set(types)
        assert "toddler" not in str([event.message for event in opened.events(task)])
        assert [each.request.prompt for each in engine.commands if isinstance(each, Admit)] == ["a lake"]
        assert after.pexit == "0"
        [refusal] = opened.refusals.newest(10)
        assert (refusal.task_id, refusal.stage) == (task.id, Stage.WORKER)


def test_the_cards_own_loras_are_judged_with_the_prompt(tmp_path):
    with shop(ScriptedEngine(), tmp_path) as opened:
        task = opened.finish(opened.run(prompt="a toddler in a park"))
        card = opened.catalogue.find("hevok", "studio-trigger")
        assert card is not None
        marked = replace(card, loras=(DefaultLora(name="nudity_xl", weight=1.0),))

        CardPreparation(Catalogue((card,)), [card.slug], None, opened.gate).prepare(task, "g")
        with pytest.raises(GateRefused) as refused:
            CardPreparation(Catalogue((marked,)), [card.slug], None, opened.gate).prepare(task, "g")
        assert refused.value.refusal.rules == ("minor.child.en", "sexual.nudity.en")
