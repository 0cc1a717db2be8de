"""The OpenAPI document of the whole API: every route is in it, and every example is answered as it says."""

import json
from typing import Any

import jsonschema_rs
import pytest
from fastapi.openapi.models import OpenAPI

from server.api.app import create_app
from server.api.openapi import samples
from server.api.openapi.document import api_document
from server.api.pages import PAGES
from tests.serving import memory_wiring
from tests.wire.porch import porch
from tests.wire.uploading import png, uploaded

METHODS = {"get", "head", "post"}
DOCUMENT: Any = json.loads(json.dumps(api_document(memory_wiring().catalogue, samples.BASE)))
CALLS = {
    (path, method): call
    for path, methods in DOCUMENT["paths"].items()
    for method, call in methods.items()
    if method in METHODS
}
KEYED = [key for key, call in CALLS.items() if "security" not in call]
HOG = {"prompt": "a red circle", "samples": "8", "steps": "150", "width": "64", "height": "64"}


def examples_of(call):
    """Yield name, status, media type and shown answer of every example."""
    for status, response in call["responses"].items():
        for kind, content in response.get("content", {}).items():
            for name, example in content.get("examples", {}).items():
                yield name, int(status), kind, example["value"]


EXAMPLES = [(*key, *example) for key, call in CALLS.items() for example in examples_of(call)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with one task drawn, and a worker busy with another for longer than any example takes."""
    with porch(tmp_path_factory.mktemp("examples"), fake="step_ms=400", stop_seconds=0.5) as running:
        running.drawn = running.finish(steps="1")["socketaccesstoken"]
        running.hog = running.run(**HOG)["socketaccesstoken"]
        running.until(running.hog, "task_start")
        yield running


@pytest.fixture
def live(server):
    """What stands in the place of the samples: a new waiting task, a drawn one, a folder."""
    assert server.detail(server.hog)["status"] == "task_start", "the worker must be busy"
    queued = server.run()
    [folder] = server.post("File/FolderCreate", {"name": "for-examples"}).json()["list"]
    return {
        samples.TOKEN: queued["socketaccesstoken"],
        samples.TASK_ID: queued["taskid"],
        samples.DRAWN_TOKEN: server.drawn,
        samples.FOLDER_ID: folder["id"],
    }


def validator(schema):
    """Check against a schema of the document, formats included."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)


def schema_of(key, status, kind="application/json"):
    response = CALLS[key]["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response["content"][kind]["schema"]


def send(server, key, name, live, headers):
    """Make an example's request as it is written."""
    path, method = key
    call = CALLS[key]
    for parameter in call.get("parameters", ()):
        path = path.replace("{" + parameter["name"] + "}", parameter.get("example", ""))
    if method != "post":
        return server.get(server.url + path)
    for kind, content in call["requestBody"]["content"].items():
        if name in content.get("examples", {}):
            body = {each: live.get(value, value) for each, value in content["examples"][name]["value"].items()}
            return server.post(path.removeprefix("/v1/"), headers=headers, **encoded(kind, body))
    raise AssertionError(f"{name} has no request")


def encoded(kind, body):
    if kind == "application/json":
        return {"json": body}
    files = {name: (value[1:], b"text") for name, value in body.items() if value.startswith("@")}
    fields = {name: value for name, value in body.items() if name not in files}
    return {"files": files, "data": fields} if files else {"data": fields}


def routes_of(router):
    """Yield path and method of every route of the API, those that FastAPI's own document leaves out among them."""
    for route in router.routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from routes_of(included)
        elif PAGES not in getattr(route, "tags", ()):
            yield from ((route.path, method.lower()) for method in getattr(route, "methods", ()))


def test_every_route_is_in_the_document_and_the_other_way_round():
    there = {
        (path.replace("{access_key}", "{accesskey}"), method) for path, method in routes_of(create_app(memory_wiring()))
    }

    assert ("/v1/File/{accesskey}/{name}", "head") in there
    assert there == set(CALLS)


def test_it_is_an_openapi_document_whose_references_lead_somewhere(idle):
    document = idle.get(f"{idle.url}/openapi.json").json()

    OpenAPI.model_validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": idle.url}]
    assert {**document, "servers": []} == {**DOCUMENT, "servers": []}
    references = set(_references(document))
    assert len(references) > 10
    for reference in references:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    identities = [call["operationId"] for call in CALLS.values()]
    assert len(set(identities)) == len(identities)


def _references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_every_call_of_v1_but_files_has_an_example():
    posts = {key for key in CALLS if key[1] == "post"}

    assert {tuple(example[:2]) for example in EXAMPLES} >= posts


@pytest.mark.parametrize(("path", "method", "name", "status", "kind", "shown"), EXAMPLES, ids=lambda it: str(it)[:30])
def test_every_example_is_answered_as_the_document_says(server, live, path, method, name, status, kind, shown):
    key = (path, method)
    answer = send(server, key, name, live, server.headers if key in KEYED else {})

    assert answer.status_code == status
    assert answer.headers["content-type"].split(";")[0] == kind
    valid = validator(schema_of(key, status, kind))
    valid.validate(shown)
    valid.validate(answer.json())
    assert outline(answer.json()) == outline(shown)


def outline(value):
    """Return what an answer and its example have in common: the keys, and the words of a refusal."""
    if value.get("errors"):
        return [(error["code"], error["message"]) for error in value["errors"]]
    lists = {name: items[0].keys() for name, items in value.items() if isinstance(items, list) and items}
    guessed = {"queueposition", "estimatedstart"}
    return value.keys(), {name: set(keys) - guessed for name, keys in lists.items()}


@pytest.mark.parametrize("key", KEYED, ids=str)
def test_every_call_with_a_key_refuses_to_do_without(server, live, key):
    name, *_ = next(examples_of(CALLS[key]))
    answer = send(server, key, name, live, {})

    assert answer.status_code == 401
    validator(schema_of(key, 401)).validate(answer.json())


@pytest.mark.parametrize("key", [key for key in CALLS if key not in KEYED], ids=str)
def test_every_other_call_needs_none(server, live, key):
    example = next(examples_of(CALLS[key]), None)
    assert send(server, key, example[0] if example else "", live, {}).status_code in {200, 404}


@pytest.mark.parametrize("name", DOCUMENT["components"]["responses"])
def test_the_shared_answers_are_what_they_say(name):
    [content] = DOCUMENT["components"]["responses"][name]["content"].values()

    validator(content["schema"]).validate(content["example"])


def test_a_file_is_read_as_the_document_says(server):
    output = uploaded(server, png())

    assert server.get(output["url"]).status_code == 200
    assert server.get(output["url"], "HEAD").status_code == 200
    assert server.get(output["url"], headers={"Range": "bytes=0-9"}).status_code == 206
    assert server.get(output["url"], headers={"Range": "bytes=999999999-"}).status_code == 416
    etag = server.get(output["url"]).headers["etag"]
    assert server.get(output["url"], headers={"If-None-Match": etag}).status_code == 304
    lost = server.get(output["url"].replace(output["accesskey"], "x" * 32))
    assert lost.status_code == 404
    validator(schema_of(("/v1/File/{accesskey}/{name}", "get"), 404)).validate(lost.json())


def test_the_schemas_leave_nothing_out():
    """They are closed, so that a field which nobody wrote down fails the examples above."""
    task = DOCUMENT["components"]["schemas"]["Task"]

    assert task["additionalProperties"] is False
    assert set(task["properties"]) - set(task["required"]) == {"queueposition", "estimatedstart"}
