"""Sections 3.1, 4, 5 and 10 against a live server: what a Run means, and what its task shows on the way."""

import hashlib
import io
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.conformance.clients.base import COMPLETED, SMALL
from tests.conformance.clients.page import PASTED, Page
from tests.conformance.conftest import Server
from tests.conformance.engines import both_engines, fake_then_miniature
from tests.serving import Easel
from tests.wire.porch import STATUSES, TERMINAL

ORDER = [
    *("task_queue", "task_accept", "task_preprocess_start", "task_preprocess_end", "task_assign", "task_start"),
    *("task_end", "task_postprocess_start", "task_postprocess_end"),
]
REFINED = {"steps": "10", "highNoiseFrac": "0.8", "stepsRefiner": "20"}
SCHEDULERS = [
    *("EulerDiscreteScheduler", "DDIMScheduler", "LMSDiscreteScheduler", "DPMSolverMultistepScheduler"),
    *("PNDMScheduler", "DDPMScheduler", "EulerAncestralDiscreteScheduler"),
]


def pictures(task: dict[str, Any]) -> list[str]:
    """A digest of each picture's pixels."""
    digests: list[str] = []
    for output in task["outputs"]:
        answer = httpx2.get(output["url"], trust_env=False)
        pixels = Image.open(io.BytesIO(answer.content)).convert("RGB").tobytes()
        digests.append(hashlib.sha256(pixels).hexdigest())
    return digests


def steps_of(easel: Easel, **parameters: Any) -> str:
    """How many steps the fake engine says in its log that it took."""
    frames = easel.follow(easel.run(**{**REFINED, **parameters})["socketaccesstoken"])
    (log,) = [frame["message"]["raw"] for frame in frames if frame["type"] == "task_output_full"]
    return log.rpartition(" steps on fake")[0].rpartition(" ")[2]


@both_engines
def test_s10_the_same_seed_draws_the_same_and_each_sample_another(server: Server):
    easel = server.easel()
    small = {**SMALL, "samples": "2", "steps": "4"}
    first, second = easel.finish(**small), easel.finish(**{**small, "seed": 9421808})
    later = easel.finish(**{**small, "samples": "1", "seed": "9421809"})

    assert len(set(pictures(first))) == 2
    assert pictures(first) == pictures(second), "a seed as text and as number is one seed"
    assert pictures(later) == pictures(first)[1:], "sample i is drawn from seed + i"


@pytest.mark.parametrize("unset", ["", None, 0, "/* seed */"])
def test_s10_an_unset_seed_is_random(server: Server, unset: object):
    easel = server.easel()
    drawn = [pictures(easel.finish(seed=unset)) for _ in range(2)]

    assert (drawn[0] != drawn[1]) is (unset != 0), "0 is a seed, all else here is none"


@pytest.mark.parametrize(
    ("sent", "steps"),
    [
        ({"refiner": "--only_base_model"}, "10"),
        ({"refiner": ""}, "12"),
        ({"refiner": "/* refiner value */"}, "12"),
        ({"refiner": "no such value"}, "12"),
        ({}, "12"),
        ({"highNoiseFrac": "1"}, "10"),
        ({"highNoiseFrac": "0"}, "12"),
        ({"highNoiseFrac": ""}, "12"),
        ({"highNoiseFrac": "0.5"}, "15"),
        ({"stepsRefiner": "10"}, "10"),
        ({"stepsRefiner": "0", "highNoiseFrac": "0.5"}, "10"),
        ({"stepsRefiner": "", "highNoiseFrac": "0.5"}, "10"),
        ({"stepsRefiner": 40}, "16"),
    ],
)
def test_s10_trap_15_what_refiner_fraction_and_steps_mean(server: Server, sent: dict[str, Any], steps: str):
    assert steps_of(server.easel(), **sent) == steps


@fake_then_miniature
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_s10_every_scheduler_of_the_select_draws(server: Server, scheduler: str):
    task = server.easel().finish(**{**SMALL, "scheduler": scheduler})

    assert (task["pexit"], len(task["outputs"])) == ("0", 1), task["debugerror"]


@fake_then_miniature
def test_s00_trap_15_the_request_of_the_model_page_runs_as_pasted(server: Server):
    page = Page(server.door())
    ticket = page.run(**{name: PASTED[name] for name in SMALL})
    outcome = page.follow(ticket)

    assert outcome.verdict == COMPLETED
    sizes = [Image.open(io.BytesIO(page.fetch(url).content)).size for url in outcome.urls]
    assert sizes == [(1024, 1024)] * 4
    assert [url.rsplit("/", 1)[1] for url in outcome.urls] == ["0.png", "1.png", "2.png", "3.png"]


def watch(easel: Easel, token: str) -> list[str]:
    """The statuses that Task/Detail shows one after another; what must hold of each is checked."""
    seen: list[str] = []
    while not seen or seen[-1] not in TERMINAL:
        task = easel.detail(token)
        assert task["status"] in STATUSES
        early = task["status"] in ORDER[:6]
        assert (task["pexit"] == "") is early
        assert not (early and task["outputs"])
        seen += [task["status"]] if [task["status"]] != seen[-1:] else []
    return seen


@both_engines
def test_s05_a_task_goes_through_its_statuses_in_order(server: Server):
    easel = server.easel()
    token = easel.run(**SMALL)["socketaccesstoken"]
    seen = watch(easel, token)

    assert seen == [status for status in ORDER if status in seen]
    assert [frame["type"] for frame in easel.follow(token) if frame["type"] in STATUSES] == ORDER


def test_s05_a_task_that_fails_goes_through_the_same(server: Server):
    easel = server.easel()
    token = easel.run(prompt="a lake <fake:fails_at_step:3>")["socketaccesstoken"]
    seen = watch(easel, token)
    types = [frame["type"] for frame in easel.follow(token)]

    assert seen == [status for status in ORDER if status in seen]
    assert [kind for kind in types if kind in STATUSES] == ORDER
    assert types.index("task_output_full") < types.index("task_error_full") < types.index("task_end")


@both_engines
def test_s04_a_task_drawn_with_either_engine_has_the_same_shape(server: Server):
    task = server.easel().finish(**SMALL)
    (output,) = task["outputs"]
    numbers = {name for name, value in task.items() if type(value) in (int, float)}

    assert numbers == {"attempt"}, "scalars are strings; `attempt` is ours"
    assert task["size"] == output["size"]
    assert (output["name"], output["contenttype"], output["ispublic"]) == ("0.png", "image/png", 0)
    assert (task["debugoutput"], task["debugerror"]) == ("", "")
    assert int(task["createtime"]) <= int(task["starttime"]) <= int(task["endtime"])
    assert 0 < float(task["elapsedseconds"]) < 120
