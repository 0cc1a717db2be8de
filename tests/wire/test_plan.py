"""The dry run: what a Run would come to, told without queueing it."""

import pytest
from rich.console import Console

from server.entrypoints.plan_table import print_plan
from tests.serving import BODY
from tests.wire.porch import error_of

PLAN = "Plan/hevok/studio-trigger"
ASKED = {**BODY, "samples": "4", "steps": "60", "stepsRefiner": "20", "highNoiseFrac": "0.8", "scale": "4"}


def planned(server, **parameters):
    answer = server.post(PLAN, {**ASKED, **parameters}).json()
    assert answer["result"] is True, answer
    return answer["plan"]


def tasks_of(server) -> int:
    return int(server.post("Task/List").json()["total"])


def test_it_tells_the_steps_and_queues_nothing(idle):
    before = tasks_of(idle)
    plan = planned(idle)

    assert {name: plan[name] for name in ("base", "refiner", "steps", "unetevaluations", "handover", "samples")} == {
        "base": 47,
        "refiner": 4,
        "steps": 204,
        "unetevaluations": 408,
        "handover": 200,
        "samples": 4,
    }
    assert plan["timesteps"]["base"][0] == 945
    assert plan["timesteps"]["refiner"] == [151, 101, 51, 1]
    assert "starts at 151" in plan["notes"][0]
    assert tasks_of(idle) == before


def test_aliases_of_schedulers_are_resolved(idle):
    plan = planned(idle, scheduler="dpmpp_2m_karras", steps="40", stepsRefiner="40")
    assert (plan["scheduler"], plan["base"], plan["refiner"]) == ("DPM++ 2M Karras", 25, 15)


@pytest.mark.parametrize("form", ["json", "data", "files"])
def test_a_body_in_any_form(idle, form):
    body = {"files": {name: (None, value) for name, value in ASKED.items()}} if form == "files" else {form: ASKED}
    assert idle.post(PLAN, **body).json()["plan"]["steps"] == 204


@pytest.mark.parametrize(
    "wrong",
    [{"prompt": ""}, {"samples": "500"}, {"scheduler": "Nothing"}, {"width": "100"}, {"seed": "x"}],
    ids=str,
)
def test_what_run_refuses_plan_refuses_alike(idle, wrong):
    body = {**BODY, **wrong}
    assert error_of(idle.post(PLAN, body)) == error_of(idle.post("Run/hevok/studio-trigger", body))


def test_an_unknown_model_and_no_key(idle):
    assert error_of(idle.post("Plan/hevok/nothing", BODY)) == (1, "slug-owner-project-not-exist")
    assert error_of(idle.post(PLAN, BODY, headers={}), 401)


def test_where_it_would_stand(idle):
    first = planned(idle)["queueposition"]
    idle.run()
    assert planned(idle)["queueposition"] == first + 1
    assert "estimatedseconds" not in planned(idle), "nothing has been drawn here"
    assert "estimatedwait" not in planned(idle), "nobody draws here"


def test_memory_is_told_where_the_weights_can_be_seen(idle):
    """Here they can't; with them `tests/e2e` asks, and `tests/unit/models/test_memory_estimate.py` counts."""
    assert "estimatedmemory" not in planned(idle)


def test_no_lora_is_offered_where_no_weights_lie(idle):
    assert planned(idle)["installedloras"] == []


def test_loras_are_out_of_sight_where_no_weights_lie(idle):
    plan = planned(idle, prompt="<lora:Studio-Trigger:0.5> <lora:ink:1> a red circle")
    assert [(each["name"], each["weight"], each["status"]) for each in plan["loras"]] == [
        ("Studio-Trigger", 0.5, "out of sight"),
        ("ink", 1.0, "out of sight"),
    ]


def test_how_long_it_may_take_is_measured_and_proportional(easel):
    for _ in range(3):
        easel.finish(steps="10", refiner="--only_base_model")
    one = planned(easel, steps="10", samples="1")["estimatedseconds"]
    assert planned(easel, steps="10", samples="8", width="512", height="512")["estimatedseconds"] > one


def test_what_was_planned_is_in_the_receipt_and_is_what_was_drawn(easel):
    plan = planned(easel, steps="20", stepsRefiner="10", samples="2")
    task = easel.finish(steps="20", stepsRefiner="10", samples="2")
    receipt = task["receipt"]["plan"]
    assert {name: plan[name] for name in receipt if name != "note"} == {
        name: value for name, value in receipt.items() if name != "note"
    }
    assert receipt["note"] == plan["notes"][0]


def test_the_command_prints_a_table(idle, capsys):
    print_plan(Console(width=100), planned(idle))
    said = capsys.readouterr().out
    assert "47 steps a picture, timesteps 945 to 209" in said
    assert "204 steps, 408 UNet evaluations" in said
    assert "nobody knows how long" in said


MEMORY = {"dtype": "float16", "weights": 2**30, "drawing": 3 * 2**30, "resident": 5 * 2**30, "offload": 4 * 2**30}


@pytest.mark.parametrize(
    ("memory", "line"),
    [
        (MEMORY, "some 5.0 GiB in float16, 1.0 GiB of it weights, 4.0 GiB with offload"),
        ({**MEMORY, "offload": None}, "some 5.0 GiB in float16, 1.0 GiB of it weights"),
    ],
)
def test_the_command_prints_what_memory_it_takes(idle, capsys, memory, line):
    told = {name: value for name, value in memory.items() if value is not None}
    print_plan(Console(width=100), {**planned(idle), "estimatedmemory": told})
    assert [said.split(maxsplit=1)[1].strip() for said in capsys.readouterr().out.splitlines() if "memory" in said] == [
        line
    ]
