"""Every route that takes an object, times every object of another project: it is missing like any other, and unharmed.

Three things are capabilities and no objects of this kind, by the wire contract: a socket access token on the websocket,
which asks for no key; the address of a file, which is public; and that address as a Run's input. Whoever knows them is
meant to have them, so of these routes only what is a little less than the capability must be missing.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from server.api.app import create_app
from server.domain.lifecycle import TaskStatus
from tests.serving import BODY, memory_wiring, signed
from tests.stores import Stores, sql_stores
from tests.wire.owned import MODEL, SENT, Theirs, everything, missing_like, own, task_in
from tests.wire.porch import Porch, error_of, porch, timeless
from tests.wire.uploading import LABEL, cards, form, part, png, upload

NO_TASK, NO_SUCH_TASK = (1, "There is no task yet."), (1, "task-not-exist")
NO_FOLDER = (1, "There is no such folder. Make it with File/FolderCreate, or leave the folder's id out.")
NO_FILE = (0, "There is no such file; it may have been deleted.")
NO_OWN_FILE = (0, "There is no file at a URL of this server; it may have been deleted. Send the file again.")

Send = Callable[[Porch, Any, dict[str, str]], httpx2.Response]


@dataclass(frozen=True)
class Slot:
    """A place of a request where a client names an object: how to fill it, and what is said when nothing is there."""

    route: str
    send: Send
    missing: tuple[int, str]
    status: int = 200


def _field(path: str, key: str, **more: str) -> Send:
    return lambda easel, value, headers: easel.post(path, {key: value, **more}, headers=headers)


def _input(easel: Porch, value: Any, headers: dict[str, str]) -> httpx2.Response:
    # In the length of an access key: a shorter one is no file's address, and so a URL of somewhere else.
    url = value if str(value).startswith("http") else f"{easel.url}/v1/File/{value:0>32}/0.png"
    return easel.post(f"Run/{MODEL}", {**BODY, "inputImage": url}, headers=headers)


def _file(method: str) -> Send:
    def send(easel: Porch, value: Any, headers: dict[str, str]) -> httpx2.Response:
        url = value if str(value).startswith("http") else f"{easel.url}/v1/File/{value}/0.png"
        return easel.get(url, method, headers=headers)

    return send


NAMES = ("taskid", "tasktoken", "socketaccesstoken")
SLOTS = {
    **{
        f"Task/{verb} {name}": Slot(f"POST /v1/Task/{verb}", _field(f"Task/{verb}", name), missing)
        for verb, missing in {
            "Detail": NO_TASK,
            "Cancel": NO_TASK,
            "Kill": NO_TASK,
            "InputOutputDelete": NO_SUCH_TASK,
        }.items()
        for name in NAMES
    },
    "File/FolderCreate parentid": Slot(
        "POST /v1/File/FolderCreate", _field("File/FolderCreate", "parentid", name="inner"), NO_FOLDER
    ),
    "File/Upload folderid": Slot(
        "POST /v1/File/Upload",
        lambda easel, value, headers: upload(easel, png(), headers=headers, folderid=str(value)),
        NO_FOLDER,
    ),
    "Run inputImage": Slot("POST /v1/Run/{owner}/{model}", _input, NO_OWN_FILE),
    "GET File": Slot("GET /v1/File/{access_key}/{name}", _file("GET"), NO_FILE, 404),
    "HEAD File": Slot("HEAD /v1/File/{access_key}/{name}", _file("HEAD"), NO_FILE, 404),
}
BY_ANOTHER_TEST = {"WEBSOCKET /v1"}
TAKE_NO_OBJECT = {
    "POST /v1/Plan/{owner}/{model}",  # files are not looked at: nothing is drawn
    "POST /v1/Task/List",  # has a test of its own below
    *(f"POST /v1/Tool/{verb}" for verb in ("List", "Detail", "Explore", "DetailOpenAPI")),
    *(f"GET /models/{{owner}}/{{name}}/{text}" for text in ("llms.txt", "llms-full.txt", "cover.png")),
    *("GET /docs", "GET /docs/page.css", "GET /openapi.json"),
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",  # figures of the whole house, and no project's name
    # pages: the same for everybody; the browser asks the calls above for what is shown
    *("GET /", "GET /models", "GET /models/{owner}/{name}", "GET /tasks", "GET /tasks/{task_id}"),
    *("GET /sign-in", "GET /static/{version}/{file}"),
    "POST /models/{owner}/{name}/samples",  # code made of what is sent
    "POST /sign-in/redeem",  # a code that is nobody's
}


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Porch]:
    """Nobody draws and no lease runs out, so that the database stands still."""
    folder = tmp_path_factory.mktemp("owner")
    with porch(folder, worker=False, cards_dir=str(cards(folder / "cards")), lease_seconds=3600) as running:
        yield running


@pytest.fixture(scope="module")
def stores(easel: Porch) -> Stores:
    return sql_stores(easel.database)


@pytest.fixture(scope="module")
def stranger(easel: Porch) -> dict[str, str]:
    return signed(easel.new_project("stranger"))


@pytest.fixture(scope="module")
def theirs(easel: Porch, stores: Stores) -> Theirs:
    return own(easel, stores)


def without_date(answer: httpx2.Response) -> dict[str, str]:
    """The headers, without those that differ between any two answers."""
    return {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}


HANDLES = [
    *(
        f"{what} of a {status}{how}"
        for status in ("task_start", "task_postprocess_end", "task_cancel", "task_queue")
        for what, how in (("id", ""), ("id", " as a number"), ("token", ""), ("uuid", ""))
    ),
    *("id of a folder", "id of a folder as a number", "id of an upload", "project"),
    *("address of an upload under another name", "access key of an upload, cut"),
]


def test_every_route_stands_in_the_matrix_or_takes_no_object():
    def words(route: Any) -> Iterator[str]:
        for method in sorted(route.methods or {"WEBSOCKET"}):
            yield f"{method} {route.path}"

    routes = {word for each in iter_route_contexts(create_app(memory_wiring()).routes) for word in words(each)}

    assert len(routes) > 15, "the application tells of its routes"
    assert routes == {slot.route for slot in SLOTS.values()} | BY_ANOTHER_TEST | TAKE_NO_OBJECT


def test_every_handle_is_tried(theirs):
    assert sorted(theirs.handles) == sorted(HANDLES)


@pytest.mark.parametrize("handle", HANDLES)
@pytest.mark.parametrize("slot", SLOTS)
def test_a_foreign_object_is_missing_like_any_other(easel, stranger, theirs, slot, handle):
    called, value = SLOTS[slot], theirs.handles[handle]
    before = everything(easel)

    foreign = called.send(easel, value, stranger)
    absent = called.send(easel, missing_like(value), stranger)

    assert everything(easel) == before
    assert timeless(foreign) == timeless(absent)
    assert without_date(foreign) == without_date(absent)
    assert foreign.status_code == absent.status_code == called.status
    if foreign.content:
        assert error_of(foreign, called.status) == called.missing


@pytest.mark.parametrize("handle", HANDLES)
def test_a_websocket_registers_nothing_less_than_a_token(easel, theirs, handle):
    value, before = theirs.handles[handle], everything(easel)
    if handle.startswith("token "):
        assert easel.follow(value, until="task_queue")[0]["result"] is True
        return
    said = []
    with easel.socket() as connection:
        assert json.loads(connection.recv(10))["type"] == "connected"
        for token in (value, missing_like(value)):
            connection.send(json.dumps({"type": "task_info", "tasktoken": token}))
            said.append(connection.recv(10).replace(json.dumps(token), "…"))

    assert said[0] == said[1]
    assert json.loads(said[0].replace("…", '"…"'))["type"] == "error"
    assert everything(easel) == before


def test_a_list_shows_none_of_another_projects_tasks(easel, stranger, theirs):
    assert int(easel.post("Task/List", {"limit": 100}).json()["total"]) >= 4
    for more in ({}, {"projectid": theirs.handles["project"]}, {"modelName": "painted"}, {"start": "0", "limit": 100}):
        answer = easel.post("Task/List", more, headers=stranger).json()
        assert (answer["total"], answer["tasklist"]) == ("0", [])


# ── what writes, but not into what is theirs ─────────────────────────────────────────────────────────────────────────
def test_another_projects_id_books_nothing_to_it(easel, theirs):
    other = signed(easel.new_project("payer"))
    sent = {**SENT, "projectid": theirs.handles["project"]}
    before = easel.post("Task/List", {}).json()["total"]

    made = easel.post(f"Run/{MODEL}", sent, headers=other).json()

    task = easel.post("Task/Detail", {"taskid": made["taskid"]}, headers=other).json()["tasklist"][0]
    assert task["projectid"] != theirs.handles["project"]
    assert easel.post("Task/List", {}).json()["total"] == before
    easel.post("Task/Cancel", {"taskid": made["taskid"]}, headers=other)


def test_another_projects_idempotency_key_is_a_new_one(easel):
    named, other = {"Idempotency-Key": "theirs"}, signed(easel.new_project("names"))
    mine = easel.post(f"Run/{MODEL}", SENT, headers={**easel.headers, **named}).json()

    strangers = easel.post(f"Run/{MODEL}", {**SENT, "seed": "2"}, headers={**other, **named}).json()

    assert strangers["result"] is True, "neither another's task nor a word about another's body"
    assert strangers["taskid"] != mine["taskid"]
    easel.post("Task/Cancel", {"taskid": strangers["taskid"]}, headers=other)
    easel.post("Task/Cancel", {"taskid": mine["taskid"]})


def test_whoever_reads_a_file_by_its_address_can_not_delete_it(easel, theirs):
    other = signed(easel.new_project("reader"))
    for url in theirs.opens.values():
        made = easel.post(f"Run/{MODEL}", {**BODY, "inputImage": url}, headers=other).json()
        assert made["result"] is True, made
        easel.post("Task/Cancel", {"taskid": made["taskid"]}, headers=other)
        gone = easel.post("Task/InputOutputDelete", {"taskid": made["taskid"]}, headers=other)
        assert gone.json()["result"] is True
    assert easel.get(theirs.opens["upload"]).content == png()
    assert easel.detail(theirs.handles["token of a task_postprocess_end"])["outputs"]


# ── the matrix can fail ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("slot", SLOTS)
def test_the_owner_finds_his_own_in_every_slot(easel, stores, theirs, slot):
    verb, _, name = slot.partition(" ")
    if verb.startswith("Task/"):
        status = TaskStatus.POSTPROCESS_END if verb == "Task/InputOutputDelete" else TaskStatus.QUEUE
        queued = theirs.handles["id of a task_queue"]
        if status is not TaskStatus.QUEUE and easel.detail(queued)["status"] == "task_queue":
            easel.post("Task/Cancel", {"taskid": queued})
        made = task_in(easel, stores, status)
        value = made["taskid"] if name == "taskid" else made["socketaccesstoken"]
    else:
        value = theirs.handles["id of a folder"] if "older" in slot else theirs.opens["upload"]
    answer = SLOTS[slot].send(easel, value, easel.headers)

    assert answer.status_code == 200
    if answer.headers["content-type"] == "application/json":
        assert answer.json()["result"] is True
    easel.post("Task/Cancel", {"taskid": value})


def test_a_form_names_a_task_no_better_than_json(easel, stranger, theirs):
    value = theirs.handles["id of a task_start"]
    for body in (f"taskid={value}".encode(), form(part("taskid", value.encode()))):
        headers = {**stranger, **LABEL}
        assert error_of(easel.post("Task/Kill", content=body, headers=headers)) == NO_TASK
