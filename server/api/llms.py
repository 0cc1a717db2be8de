"""A model's `llms.txt` and `llms-full.txt`: how to call it, told to a language model, made from its card."""

import json
from collections.abc import Mapping
from typing import Final

from models.card import Card, Parameter, Value
from server.api.parameter_wire import shown_default, text_of

_NUMBERS: Final = {"int": "number", "float": "float"}

_AUTH: Final = """\
## Authentication

Every call under {base}/v1 is a POST and carries the project's key in the header `x-api-key`. A project that signs also
sends `x-nonce` (any number, such as the unix time) and `x-signature`: the hex HMAC-SHA256 whose key is the API key and
whose message is the API secret followed by the nonce. The body is not signed.

```sh
export KEY=your-api-key SECRET=your-api-secret NONCE=$(date +%s)
export SIGNATURE=$(printf %s "$SECRET$NONCE" | openssl dgst -sha256 -hmac "$KEY")
```
"""

_RUN: Final = """\
## Run

Send the inputs as JSON, urlencoded or multipart fields, each value as text or as a number. The answer comes at once
with `taskid` and `socketaccesstoken`; the pictures come later.

```sh
curl -X POST {base}/v1/Run/{slug} \\
  -H "Content-Type: application/json" \\
  -H "x-api-key: $KEY" -H "x-nonce: $NONCE" -H "x-signature: $SIGNATURE" \\
  -d '{body}'
```

Answer: `{{"errors": [], "taskid": "2221", "socketaccesstoken": "eDcCm5yy…", "result": true}}`. The optional field
`callbackUrl` names an http(s) address of yours. When `result` is false, `errors[0].message` says what to mend.
"""

_DETAIL: Final = """\
## Detail

Ask every few seconds, by `tasktoken` (the `socketaccesstoken` of Run) or by `taskid`:

```sh
curl -X POST {base}/v1/Task/Detail \\
  -H "Content-Type: application/json" \\
  -H "x-api-key: $KEY" -H "x-nonce: $NONCE" -H "x-signature: $SIGNATURE" \\
  -d '{{"tasktoken": "eDcCm5yy…"}}'
```

The task is `tasklist[0]`. It is over when its `status` is `task_postprocess_end` or `task_cancel`. It has succeeded
when `pexit` is "0"; then `outputs` holds a file for each picture, with an absolute `url` that needs no credentials.
Otherwise `debugerror` says what went wrong.
"""

_OTHERS: Final = """\
## The other calls

All are POST calls with the headers of Authentication.

- `{base}/v1/Plan/{owner}/{name}` with what Run takes: says what it would come to, and queues nothing.
- `{base}/v1/Task/Cancel` with `{{"tasktoken": "…"}}`: takes a task out of the queue.
- `{base}/v1/Task/Kill` with `{{"tasktoken": "…"}}`: stops a running task; it becomes `task_cancel`.
- `{base}/v1/Task/List` with `{{"start": "0", "limit": "20", "order": "DESC", "modelName": "{name}"}}`: your tasks.
- `{base}/v1/Tool/Detail` with `{{"slugowner": "{owner}", "slugproject": "{name}"}}`: this model and its inputs as JSON.
- `{base}/v1/Tool/DetailOpenAPI` with the same body: an OpenAPI 3.1 document of this model.
- `{base}/v1/Tool/List` with `{{"search": "…", "start": "0", "limit": "20"}}`: other models.

The statuses of a task, in their order: `task_queue`, `task_accept`, `task_preprocess_start`, `task_preprocess_end`,
`task_assign`, `task_start`, `task_end`, `task_postprocess_start`, `task_postprocess_end`; or `task_cancel` at any time.
"""

_SOCKET: Final = """\
## Websocket

Connect to {socket}/v1, without headers, and send one line for each task you follow:

```json
{{"type": "task_info", "tasktoken": "eDcCm5yy…"}}
```

Every frame is a JSON object. Its `type` is the task's new status or `task_output`, whose `message` carries the progress
(`percentage`, `stepCurrent`, `stepTotal`). The frame `task_postprocess_end` has the array of outputs as its `message`;
`terminal` is true on the last frame. Who connects late is told all that has happened so far.
"""


def llms_txt(card: Card, base: str) -> str:
    """Return the short text: what the model is and takes, and how to sign, run and ask. `base` is this server."""
    return "\n".join([_head(card, base), _inputs(card), *_calls(card, base), _more(card, base)])


def llms_full_txt(card: Card, base: str) -> str:
    """Return the long text: the short one, the other calls, the websocket, and sample parameter sets."""
    names = {"base": base, "owner": card.owner, "name": card.name}
    socket = "ws" + base.removeprefix("http")
    calls = [*_calls(card, base), _OTHERS.format(**names), _SOCKET.format(socket=socket)]
    return "\n".join([_head(card, base), _inputs(card), *calls, _samples(card)])


def type_of(parameter: Parameter) -> str:
    """Return a parameter's type in the words of Wiro's own texts, where a range is a number or a float."""
    return _NUMBERS[parameter.number or "float"] if parameter.type == "range" else parameter.type


def sample_of(card: Card) -> Mapping[str, Value]:
    """Return the inputs of an example: the card's first one, or its defaults around a plain prompt."""
    if card.inspire:
        return card.inspire[0]
    texts = {it.id: it.placeholder or "a red fox in the snow" for it in card.shown_parameters if it.required}
    return texts | {it.id: it.default for it in card.shown_parameters if it.default not in {None, ""}}  # pyright: ignore[reportReturnType]  None was left out


def _head(card: Card, base: str) -> str:
    facts = {
        "Model": card.slug,
        "Server": base,
        "Categories": ", ".join(card.categories),
        "Tags": ", ".join(card.tags),
        "Price": f"{card.cps:.12f}".rstrip("0") + " per second" if card.cps else "free",
        "Run": f"POST {base}/v1/Run/{card.slug}",
        "Result": f"POST {base}/v1/Task/Detail",
    }
    lines = "\n".join(f"- {name}: {fact}" for name, fact in facts.items() if fact)
    return f"# {card.raw_slug or card.slug}\n\n> {card.title}: {card.description}\n\n{lines}\n"


def _inputs(card: Card) -> str:
    return "\n".join(["## Inputs\n", *(_input(parameter) for parameter in card.shown_parameters)])


def _input(parameter: Parameter) -> str:
    facts = {
        "type": type_of(parameter),
        "label": parameter.label,
        "required": "yes" if parameter.required else "no",
        "help": parameter.note,
        "default": "" if parameter.required else _quoted(shown_default(parameter)),
        "range": _range(parameter),
        "options": ", ".join(f"{_quoted(option.value)} ({option.label})" for option in parameter.options),
    }
    lines = "\n".join(f"- {name}: {fact}" for name, fact in facts.items() if fact)
    return f"### {parameter.id}\n\n{lines}\n"


def _range(parameter: Parameter) -> str:
    if parameter.type != "range":
        return ""
    step = f", in steps of {text_of(parameter.step)}" if parameter.step is not None else ""
    return f"{text_of(parameter.minimum)} to {text_of(parameter.maximum)}{step}"


def _quoted(value: Value | None) -> str:
    return json.dumps(text_of(value), ensure_ascii=False)


def _calls(card: Card, base: str) -> list[str]:
    body = _json(sample_of(card)).replace("'", r"'\''")
    return [_AUTH.format(base=base), _RUN.format(base=base, slug=card.slug, body=body), _DETAIL.format(base=base)]


def _json(values: Mapping[str, Value]) -> str:
    texts = {name: text_of(value) for name, value in values.items()}
    return json.dumps(texts, ensure_ascii=False, indent=2)


def _samples(card: Card) -> str:
    shown = card.inspire or (sample_of(card),)
    return "\n".join(["## Sample parameter sets\n", *(f"```json\n{_json(each)}\n```\n" for each in shown)])


def _more(card: Card, base: str) -> str:
    return f"## More\n\nThe other calls, the websocket and sample inputs: {base}/models/{card.slug}/llms-full.txt\n"
