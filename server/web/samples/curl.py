"""Samples for a shell, signed with openssl."""

import json
import shlex
from typing import Final

from server.web.samples.subject import FOLDER, KEY, PICTURE, SECRET, JsonCall, Subject

_HEAD: Final = f"""\
export KEY='{KEY}' SECRET='{SECRET}'
export NONCE=$(date +%s)
export SIGNATURE=$(printf %s "$SECRET$NONCE" | openssl dgst -sha256 -hmac "$KEY")

"""
_SIGNED: Final = '-H "x-api-key: $KEY" -H "x-nonce: $NONCE" -H "x-signature: $SIGNATURE"'
_JSON: Final = '-H "Content-Type: application/json"'


def call(subject: Subject, what: JsonCall) -> str:
    """Return a JSON call."""
    return f"{_HEAD}{_post(subject, what.path)} \\\n  {_JSON} \\\n  -d {shlex.quote(what.text)}\n"


def upload(subject: Subject) -> str:
    """Return the sending of a file."""
    parts = f"-F file=@{PICTURE} -F folderid={FOLDER}"
    return f"{_HEAD}{_post(subject, 'File/Upload')} \\\n  {parts}\n"


def follow(subject: Subject) -> str:
    """Return a loop that asks until the task is over: curl speaks no websocket."""
    body = shlex.quote(json.dumps({"tasktoken": subject.token}))
    ask = f"{_post(subject, 'Task/Detail')} \\\n  {_JSON} \\\n  -d {body}".replace("\n", "\n  ")
    return (
        f"{_HEAD}# curl speaks no websocket: ask every two seconds\nwhile true; do\n  TASK=$({ask})\n"
        '  case $TASK in\n    *\'"status":"task_postprocess_end"\'*|*\'"status":"task_cancel"\'*) break ;;\n'
        "  esac\n  sleep 2\ndone\nprintf '%s\\n' \"$TASK\"\n"
    )


def _post(subject: Subject, path: str) -> str:
    return f"curl -s {shlex.quote(f'{subject.api}/{path}')} \\\n  {_SIGNED}"
