"""Samples in JavaScript: for Node.js 22 and later, as a module."""

import json
from typing import Final

from server.web.samples.subject import FOLDER, KEY, PICTURE, SECRET, JsonCall, Subject

_HEAD: Final = """\
import {{ createHmac }} from 'node:crypto';
{imports}
const API = {api};
const [KEY, SECRET] = [{key}, {secret}];

function signed() {{
  const nonce = String(Date.now());
  const signature = createHmac('sha256', KEY).update(SECRET + nonce).digest('hex');
  return {{ 'x-api-key': KEY, 'x-nonce': nonce, 'x-signature': signature }};
}}

"""
_CALL: Final = """\
const answer = await fetch(`${{API}}/{path}`, {{
  method: 'POST',
  headers: {{ 'content-type': 'application/json', ...signed() }},
  body: JSON.stringify({body}),
}});
console.log(await answer.json());
"""
_UPLOAD: Final = """\
const form = new FormData();
form.append('file', new Blob([await readFile({picture})]), {picture});
form.append('folderid', {folder});
const answer = await fetch(`${{API}}/File/Upload`, {{ method: 'POST', headers: signed(), body: form }});
console.log(await answer.json());
"""
_FOLLOW: Final = """\
// Runs in browsers, too.
const socket = new WebSocket({socket});
socket.onopen = () => socket.send(JSON.stringify({{ type: 'task_info', tasktoken: {token} }}));
socket.onmessage = ({{ data }}) => {{
  const frame = JSON.parse(data);
  console.log(frame.type, frame.message);
  if (frame.terminal) socket.close(); // task_postprocess_end: message is the list of pictures
}};
"""


def call(subject: Subject, what: JsonCall) -> str:
    """Return a JSON call."""
    return _head(subject) + _CALL.format(path=what.path, body=what.text.replace("\n", "\n  "))


def upload(subject: Subject) -> str:
    """Return the sending of a file."""
    head = _head(subject, "import { readFile } from 'node:fs/promises';\n")
    return head + _UPLOAD.format(picture=json.dumps(PICTURE), folder=json.dumps(FOLDER))


def follow(subject: Subject) -> str:
    """Return a listener on the websocket."""
    return _FOLLOW.format(socket=json.dumps(subject.socket), token=json.dumps(subject.token))


def _head(subject: Subject, imports: str = "") -> str:
    return _HEAD.format(api=json.dumps(subject.api), key=json.dumps(KEY), secret=json.dumps(SECRET), imports=imports)
