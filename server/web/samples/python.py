"""Samples in Python, with requests and websockets."""

import json
from typing import Final

from server.web.samples.subject import FOLDER, KEY, PICTURE, SECRET, JsonCall, Subject

_HEAD: Final = """\
import hashlib
import hmac
import time

import requests

API = {api}
KEY, SECRET = {key}, {secret}


def signed():
    nonce = str(int(time.time()))
    signature = hmac.new(KEY.encode(), (SECRET + nonce).encode(), hashlib.sha256).hexdigest()
    return {{"x-api-key": KEY, "x-nonce": nonce, "x-signature": signature}}


"""
_FOLLOW: Final = """\
import json

from websockets.sync.client import connect

with connect({socket}) as socket:
    socket.send(json.dumps({{"type": "task_info", "tasktoken": {token}}}))
    for text in socket:
        frame = json.loads(text)
        print(frame["type"], frame["message"])
        if frame["terminal"]:  # task_postprocess_end: message is the list of pictures
            break
"""


def call(subject: Subject, what: JsonCall) -> str:
    """Return a JSON call."""
    path = f'f"{{API}}/{what.path}"'
    return f"{_head(subject)}answer = requests.post({path}, headers=signed(), json={what.text}, timeout=30)\n{_PRINT}"


def upload(subject: Subject) -> str:
    """Return the sending of a file."""
    return (
        f'{_head(subject)}with open({json.dumps(PICTURE)}, "rb") as file:\n'
        '    answer = requests.post(\n        f"{API}/File/Upload",\n        headers=signed(),\n'
        f'        data={{"folderid": {json.dumps(FOLDER)}}},\n        files={{"file": file}},\n'
        f"        timeout=60,\n    )\n{_PRINT}"
    )


def follow(subject: Subject) -> str:
    """Return a listener on the websocket."""
    return _FOLLOW.format(socket=json.dumps(subject.socket), token=json.dumps(subject.token))


_PRINT: Final = "print(answer.json())\n"


def _head(subject: Subject) -> str:
    return _HEAD.format(api=json.dumps(subject.api), key=json.dumps(KEY), secret=json.dumps(SECRET))
