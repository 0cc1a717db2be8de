"""Examples as people read them: the call as a line for a shell, and its answer."""

import json
import shlex
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from server.api.page.shapes import Json

_FORM: Final = "multipart/form-data"
_SIGNED: Final = ('-H "x-api-key: $KEY"', '-H "x-nonce: $NONCE"', '-H "x-signature: $SIGNATURE"')


def examples_html(base: str, path: str, call: Json) -> str:
    """Return a call's examples, each folded: the request and what is answered."""
    answers = _answers(call)
    if not answers:
        return ""
    requests = _requests(call)
    headers = _SIGNED if "security" not in call else ()
    shown = [
        _example(summary, _curl(f"{base}{_filled(path, call)}", requests.get(name), headers), answer)
        for name, (summary, answer) in answers.items()
    ]
    return "<h4>Examples</h4>" + "".join(shown)


def _answers(call: Json) -> Mapping[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for response in call["responses"].values():
        for content in response.get("content", {}).values():
            for name, example in content.get("examples", {}).items():
                found[name] = (example["summary"], example["value"])
    return found


def _requests(call: Json) -> Mapping[str, tuple[str, Any]]:
    contents: Json = call.get("requestBody", {}).get("content", {})
    return {
        name: (kind, example["value"])
        for kind, content in contents.items()
        for name, example in content.get("examples", {}).items()
    }


def _filled(path: str, call: Json) -> str:
    for parameter in call.get("parameters", ()):
        if "example" in parameter:
            path = path.replace("{" + parameter["name"] + "}", parameter["example"])
    return path


def _curl(url: str, request: tuple[str, Any] | None, headers: tuple[str, ...]) -> str:
    words = [f"curl {shlex.quote(url)}", *headers]
    if request is None:
        return " \\\n  ".join(words)
    kind, body = request
    if kind == _FORM:
        words += [f"-F {shlex.quote(f'{name}={value}')}" for name, value in body.items()]
    else:
        words += [f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(words)


def _example(summary: str, curl: str, answer: object) -> str:
    shown = json.dumps(answer, ensure_ascii=False, indent=2)
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(curl)}</pre><pre>{escape(shown)}</pre></details>"
