"""A client that has Wiro's host names built in and trusts one authority only: `python tls_client.py CA KEY`."""

import json
import ssl
import sys

import httpx2
from websockets.sync.client import connect

API = "https://api.wiro.ai/v1"
SOCKET = "wss://socket.wiro.ai/v1"


def main(authority: str, key: str) -> None:
    """Run a task, follow it, fetch its picture; print what was seen."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(authority)
    with httpx2.Client(verify=trust, headers={"x-api-key": key}, trust_env=False, timeout=30) as http:
        run = http.post(
            f"{API}/Run/hevok/studio-trigger", json={"prompt": "a fox", "width": "64", "height": "64"}
        ).json()
        token = run["socketaccesstoken"]
        with connect(SOCKET, ssl=trust, proxy=None) as socket:
            socket.send(json.dumps({"type": "task_info", "tasktoken": token}))
            types: list[str] = []
            while not types or types[-1] != "task_postprocess_end":
                types.append(json.loads(socket.recv(60))["type"])
        task = http.post(f"{API}/Task/Detail", json={"tasktoken": token}).json()["tasklist"][0]
        url = task["outputs"][0]["url"]
        picture = http.get(url).content
    sys.stdout.write(json.dumps({"types": types, "url": url, "png": picture.startswith(b"\x89PNG")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
