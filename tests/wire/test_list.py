"""Task/List, as the MCP server calls it (section 3.3)."""

import pytest

from tests.serving import signed
from tests.wire.porch import RUN, error_of

MCP = {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "20"}
QUEUE_KEYS = {"queueposition"}  # and no estimated start, for nobody works here
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture(scope="module")
def headers(idle):
    """A project with five tasks, the third one of another model."""
    signature = signed(idle.new_project("with five tasks"))
    idle.run()  # of another project
    for slug in (RUN, RUN, f"Run/{SDXL}", RUN, RUN):
        assert idle.post(slug, {"prompt": "a lake"}, headers=signature).json()["result"] is True
    return signature


@pytest.fixture
def ids(idle, headers):
    def listed(**query):
        answer = idle.post("Task/List", {**MCP, **query}, headers=headers).json()
        assert set(answer) == {"total", "errors", "tasklist", "result"}
        assert answer["result"] is True
        assert isinstance(answer["total"], str)
        return answer["total"], [int(task["id"]) for task in answer["tasklist"]]

    return listed


def test_the_projects_own_tasks_newest_first(ids):
    total, listed = ids()

    assert total == "5"
    assert len(listed) == 5
    assert listed == sorted(listed, reverse=True)


def test_a_task_looks_as_in_detail(idle, headers):
    for task in idle.post("Task/List", MCP, headers=headers).json()["tasklist"]:
        alone = idle.post("Task/Detail", {"taskid": task["id"]}, headers=headers).json()
        # where a task stands in the queue is counted in Detail alone
        detail = alone["tasklist"][0]
        assert set(detail) - set(task) == QUEUE_KEYS
        assert {key: detail[key] for key in task} == task


@pytest.mark.parametrize("order", ["ASC", "asc"])
def test_oldest_first(ids, order):
    assert ids(order=order)[1] == ids()[1][::-1]


@pytest.mark.parametrize("number", [str, int])
def test_pages(ids, number):
    everything = ids()[1]

    pages = [ids(start=number(start), limit=number(2)) for start in (0, 2, 4, 6)]

    assert [total for total, _ in pages] == ["5"] * 4
    assert [listed for _, listed in pages] == [everything[:2], everything[2:4], everything[4:], []]


@pytest.mark.parametrize(
    ("limit", "length"), [("1", 1), ("100", 5), ("1000", 5), ("20", 5), ("", 5), ("x", 5), (None, 5)]
)
def test_limits(ids, limit, length):
    assert len(ids(limit=limit)[1]) == length


@pytest.mark.parametrize("start", ["", "-1", "x", None, [], {}, "1e9", "٣", 1.5, True, "9" * 30, 10**30])
@pytest.mark.parametrize("name", ["start", "limit"])
def test_unreadable_bounds_do_not_fail(ids, name, start):
    assert ids(**{name: start})[0] == "5"


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("studio", "4"),
        ("Studio-Trigger", "4"),
        ("hevok/studio-trigger", "4"),
        ("stable-diffusion", "1"),
        ("", "5"),
        (" ", "5"),
        ("nothing", "0"),
        ("%", "0"),
        ("studio_trigger", "0"),
        ("' OR 1=1 --", "0"),
        ("漢字", "0"),
    ],
)
def test_by_a_part_of_the_models_slug(ids, name, total):
    listed_total, listed = ids(modelName=name)

    assert listed_total == total
    assert len(listed) == int(total)


@pytest.mark.parametrize("title", ["Stable Diffusion", "stable diffusion XL 1.0"])
def test_by_a_part_of_the_models_title(ids, title):
    assert ids(modelName=title)[0] == "1"


def test_by_status(idle, headers, ids):
    [newest, *_] = ids()[1]
    idle.post("Task/Cancel", {"taskid": str(newest)}, headers=headers)

    assert ids(status="task_cancel") == ("1", [newest])
    assert ids(status="task_cancel, task_start")[0] == "1"
    assert ids(status=["task_queue", "task_cancel"])[0] == "5"
    assert ids(status="task_queue", limit="1")[0] == "4"
    assert ids(status="")[0] == "5"


def test_no_tasks_is_no_error(idle):
    answer = idle.post("Task/List", MCP, headers=signed(idle.new_project("without tasks"))).json()

    assert (answer["result"], answer["errors"], answer["total"], answer["tasklist"]) == (True, [], "0", [])


def test_unknown_values_do_not_fail(idle, headers):
    odd = {"type": "workflow", "sort": "nothing", "order": 5, "modelName": 7, "status": ["x"]}

    assert idle.post("Task/List", odd, headers=headers).json()["total"] == "5"


def test_a_body_that_is_none(idle, headers):
    assert error_of(idle.post("Task/List", content=b"[1]", headers=headers)) == (0, "Request parameters are invalid.")


def test_a_name_longer_than_any_models_finds_nothing(ids):
    assert ids(modelName="x" * 60_000) == ("0", [])
