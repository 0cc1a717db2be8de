"""How clients name a task (trap 1), and tasks that are not there."""

import pytest

from server.domain.project import AuthMethod
from tests.serving import signed
from tests.wire.porch import error_of, timeless

NAMES = ("taskid", "tasktoken", "socketaccesstoken")
VALUES = {
    "the token": lambda run: run["socketaccesstoken"],
    "the id as a string": lambda run: run["taskid"],
    "the id as a number": lambda run: int(run["taskid"]),
    "the token among blanks": lambda run: f" {run['socketaccesstoken']}\n",
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("endpoint", ["Detail", "Cancel", "Kill"])
def test_trap_01_any_identifier_under_any_name(idle, endpoint, name, value):
    run, neighbour = idle.run(), idle.run()

    answer = idle.post(f"Task/{endpoint}", {name: VALUES[value](run)})

    body = answer.json()
    assert answer.status_code == 200
    assert (body["result"], body["errors"], body["total"]) == (True, [], "1")
    [task] = body["tasklist"]
    assert (task["id"], task["socketaccesstoken"]) == (run["taskid"], run["socketaccesstoken"])
    assert task["status"] == ("task_queue" if endpoint == "Detail" else "task_cancel")
    assert idle.detail(neighbour["socketaccesstoken"])["status"] == "task_queue"


@pytest.mark.parametrize("blank", ["", "  ", None, [], {}, False])
@pytest.mark.parametrize("endpoint", ["Detail", "Cancel", "Kill"])
def test_trap_01_an_identifier_left_blank_gives_way_to_the_one_that_is_there(idle, endpoint, blank):
    run = idle.run()

    body = {"tasktoken": blank, "socketaccesstoken": blank, "taskid": run["taskid"]}

    assert idle.post(f"Task/{endpoint}", body).json()["tasklist"][0]["id"] == run["taskid"]


@pytest.mark.parametrize("body", [{}, {"tasktoken": ""}, {"taskid": None}, {"taskid": []}, {"id": "1"}])
@pytest.mark.parametrize("endpoint", ["Detail", "Cancel", "Kill"])
def test_a_call_without_an_identifier_says_so(idle, endpoint, body):
    assert error_of(idle.post(f"Task/{endpoint}", body)) == (0, "taskid or socketaccesstoken is required")


@pytest.mark.parametrize(
    "unknown", ["test", "0", "999999", 999999, "9" * 18, "9" * 400, "-1", -1, 0, "é", "1.0", "x" * 9000]
)
@pytest.mark.parametrize("endpoint", ["Detail", "Cancel", "Kill"])
def test_trap_11_an_unknown_task_is_an_application_error(idle, endpoint, unknown):
    assert error_of(idle.post(f"Task/{endpoint}", {"tasktoken": unknown})) == (1, "There is no task yet.")


def test_n8ns_credential_test_passes(idle):
    key = signed(idle.new_project("n8n", AuthMethod.KEY))

    assert idle.post("Task/Detail", {"tasktoken": "test"}, headers=key).status_code == 200


@pytest.mark.parametrize("status", ["task_queue", "task_cancel"])
@pytest.mark.parametrize("endpoint", ["Detail", "Cancel", "Kill"])
def test_another_projects_task_answers_like_a_missing_one(idle, endpoint, status):
    run = idle.run()
    if status == "task_cancel":
        idle.post("Task/Cancel", {"taskid": run["taskid"]})
    stranger = signed(idle.new_project(f"stranger of {endpoint} {status}"))
    missing = {"taskid": "999999", "tasktoken": "A" * 30}

    for name, theirs in (("taskid", run["taskid"]), ("tasktoken", run["socketaccesstoken"])):
        foreign = idle.post(f"Task/{endpoint}", {name: theirs}, headers=stranger)
        absent = idle.post(f"Task/{endpoint}", {name: missing[name]}, headers=stranger)
        assert timeless(foreign) == timeless(absent)
        assert error_of(foreign) == (1, "There is no task yet.")
        assert set(foreign.headers.items()) - set(absent.headers.items()) <= {
            (name, foreign.headers[name]) for name in ("date", "x-request-id")
        }
        assert foreign.headers.keys() == absent.headers.keys()
    assert idle.detail(run["socketaccesstoken"])["status"] == status
