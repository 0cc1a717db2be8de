"""Requests by the thousand, made by schemathesis out of the API's own document."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

SECONDS: Final = 5
"""How long an answer may take."""
_PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")
_CHECKS: Final = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")


@dataclass
class Findings:
    """What was sent, what came back, and what was wrong with it."""

    statuses: Counter[int] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def requests(self) -> int:
        return sum(self.calls.values())


def fuzz(
    document: Any,
    url: str,
    headers: Mapping[str, str],
    *,
    examples: int,
    phases: Sequence[str] = _PHASES,
    seed: int | None = None,
    most_seconds: int | None = None,
) -> Findings:
    """Send `examples` random requests of each call and kind, and those that schemathesis makes anyway.

    Without a seed they are the same each time.
    """
    settings = {
        "seed": seed,
        "max-time": most_seconds,
        "base-url": url,
        "headers": dict(headers),
        "request-timeout": SECONDS,
        "continue-on-failure": True,
        "generation": {
            "deterministic": seed is None,
            "max-examples": examples,
            "no-shrink": True,
            "with-security-parameters": not headers,
        },
        "phases": {name: {"enabled": name in phases} for name in _PHASES},
        "checks": {"enabled": False, **{name: {"enabled": True} for name in _CHECKS}},
    }
    config = SchemathesisConfig.from_dict({name: value for name, value in settings.items() if value is not None})
    schema = schemathesis.openapi.from_dict(document, config=config)
    findings = Findings()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                _note(recorder, findings)
            case events.NonFatalError(info=info, label=label):
                findings.faults.append(f"{label}: {info.format()}")
            case events.FatalError(exception=error):
                raise error
            case _:
                pass
    return findings


def enriched(document: Any, *, tokens: Sequence[str], models: Sequence[str], folders: Sequence[str] = ()) -> Any:
    """Return the document with values that exist beside those that may be made up: most calls then get somewhere."""
    richer = copy.deepcopy(document)
    known = dict.fromkeys(("tasktoken", "taskid", "socketaccesstoken"), tokens)
    known |= {"slugowner": [slug.partition("/")[0] for slug in models]}
    known |= {"slugproject": [slug.partition("/")[2] for slug in models], "folderid": folders, "parentid": folders}
    for name, schema in richer["components"]["schemas"].items():
        if name.startswith("Inputs."):
            richer["components"]["schemas"][name] = {"anyOf": [_runnable(schema), schema]}
    # Schemathesis gives a file its name, without which it is none, only where nothing else may stand.
    form = richer["paths"]["/v1/File/Upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"]["file"] = form["properties"]["file"]["anyOf"][0]
    for path, methods in richer["paths"].items():
        for call in methods.values():
            for content in call.get("requestBody", {}).get("content", {}).values():
                content["schema"] = _known(content["schema"], known)
            for parameter in call.get("parameters", ()):
                part = 0 if parameter["name"] == "owner" else 2
                real = [slug.partition("/")[part] for slug in models] if "{owner}" in path else []
                if parameter["in"] == "path" and real:
                    parameter["schema"] = _or(parameter["schema"], real)
    return richer


def _known(schema: Any, known: Mapping[str, Sequence[str]]) -> Any:
    """Return the schema, or a body in which everything known is named."""
    real = {name: {"enum": sorted(set(known[name]))} for name in schema.get("properties", {}) if known.get(name)}
    if not real:
        return schema
    named = {**schema, "required": sorted({*schema.get("required", ()), *real})}
    return {"anyOf": [{**named, "properties": {**schema["properties"], **real}}, schema]}


def _runnable(schema: Any) -> Any:
    """Return the schema with numbers for what may also be text: nearly any text is refused."""
    properties = {name: field.get("anyOf", [field])[0] for name, field in schema["properties"].items()}
    return {**schema, "properties": {**properties, "prompt": {"enum": ["a red circle", "a house on hills"]}}}


def _or(schema: Any, values: Sequence[str]) -> Any:
    return {"anyOf": [{"enum": sorted(set(values))}, schema]} if values else schema


def _note(recorder: Any, findings: Findings) -> None:
    for identity, interaction in recorder.interactions.items():
        label = recorder.label
        findings.calls[label] += 1
        response = interaction.response
        if response is None:
            findings.faults.append(f"{label}: no answer to {_shown(recorder, identity)}")
            continue
        findings.statuses[response.status_code] += 1
        findings.slowest = max(findings.slowest, response.elapsed)
        if b'"result":true' in response.content[-40:] + response.content[:40]:
            findings.succeeded[label] += 1
        if response.status_code >= 500 and b'"trouble"' not in response.content:  # /readyz may say it isn't ready
            findings.faults.append(f"{label}: {response.status_code} to {_shown(recorder, identity)}")
        for check in recorder.checks.get(identity, ()):
            if check.failure_info is not None:
                failure = check.failure_info.failure
                findings.faults.append(f"{label}: {failure.title}, {failure.message} {check.failure_info.code_sample}")


def _shown(recorder: Any, identity: str) -> str:
    return recorder.cases[identity].value.as_curl_command()
