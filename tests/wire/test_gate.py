"""The prompt gate on the wire: a refused Run is an error in Wiro's envelope and no task, whatever else it asks for."""

import hashlib

import pytest

from server.adapters.sql.refusals import SqlRefusalLog
from server.domain.errors import Refused
from server.domain.refusal import Stage
from server.domain.types import ProjectId
from server.services.screen import STRIKES
from tests.serving import signed
from tests.wire.porch import RUN, error_of

PLAN = RUN.replace("Run/", "Plan/")

REFUSED = "a toddler in a park, nudity"
HARMLESS = "a toddler in a park"


@pytest.fixture
def project(easel, request):
    """The headers of a project of the test's own, for strikes are counted by project."""
    return signed(easel.new_project(request.node.name))


def log(easel):
    return SqlRefusalLog(easel.database)


def test_a_refused_run_is_an_error_and_no_task(easel, project):
    answer = easel.post(RUN, {"prompt": REFUSED}, headers=project)

    code, message = error_of(answer)
    assert (code, message) == (0, Refused().message)
    assert not any(word in message for word in ("toddler", "nudity", "minor", "sexual"))
    assert easel.post("Task/List", {}, headers=project).json()["tasklist"] == []


def test_each_refusal_is_written_down_without_the_text(easel, project):
    easel.post(RUN, {"prompt": REFUSED}, headers=project)

    newest = log(easel).newest(1)[0]

    assert (newest.stage, newest.task_id) == (Stage.RUN, None)
    assert newest.rules == ("minor.child.en", "sexual.nudity.en")
    assert newest.prompt_sha256 == hashlib.sha256(REFUSED.encode()).hexdigest()
    assert "toddler" not in repr(newest)


@pytest.mark.parametrize(
    "extra",
    [
        {"gate": "off"},
        {"promptGate": False},
        {"safety": "0", "disable_safety_checker": True, "enable_safety_checker": "false"},
        {"negativePrompt": "child"},
    ],
    ids=str,
)
def test_no_parameter_switches_it_off(easel, project, extra):
    error_of(easel.post(RUN, {"prompt": REFUSED, **extra}, headers=project))


def test_negative_prompts_are_not_judged(easel, project):
    answer = easel.post(RUN, {"prompt": HARMLESS, "negativePrompt": "nudity, nsfw, nude"}, headers=project)
    assert answer.json()["result"] is True


def test_lora_names_are_judged_too(easel, project):
    error_of(easel.post(RUN, {"prompt": f"{HARMLESS}, <lora:nudity-xl:1.0>"}, headers=project))


def test_many_refusals_in_a_row_bring_a_pause_with_the_same_answer(easel, project):
    for _ in range(STRIKES):
        refusal = error_of(easel.post(RUN, {"prompt": REFUSED}, headers=project))
    mine = ProjectId(log(easel).newest(1)[0].project_id)

    assert error_of(easel.post(RUN, {"prompt": HARMLESS}, headers=project)) == refusal
    assert error_of(easel.post(RUN, {"prompt": REFUSED}, headers=project)) == refusal
    assert len(log(easel).newest(100, mine)) == STRIKES, "a pause is no new refusal, or it would never end"
    assert easel.post(RUN, {"prompt": HARMLESS}).json()["result"] is True, "another project is not in it"


def test_what_is_planned_while_somebody_types_stops_no_run(easel, project):
    for _ in range(STRIKES + 1):
        refusal = error_of(easel.post(PLAN, {"prompt": REFUSED}, headers=project))
    planned = log(easel).newest(1)[0]

    assert refusal == (0, Refused().message)
    assert planned.stage is Stage.PLAN
    assert len(log(easel).newest(100, ProjectId(planned.project_id))) == STRIKES, "planning has its pause, too"
    assert error_of(easel.post(PLAN, {"prompt": HARMLESS}, headers=project)) == refusal
    assert easel.post(RUN, {"prompt": HARMLESS}, headers=project).json()["result"] is True
