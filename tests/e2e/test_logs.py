"""What real processes write: JSON, a line a record, with the task where there is one, and no secret at any level."""

import json
from pathlib import Path

import httpx2

from tests.e2e.processes import eventually, open_site
from tests.serving import signed


def test_no_secret_is_in_the_log_of_a_server_that_says_everything(tmp_path: Path):
    settings = {"EASEL_LOG_FORMAT": "json", "EASEL_LOG_LEVEL": "debug", "EASEL_METRICS_TOKEN": "token-of-metrics"}
    with open_site(tmp_path / "site", **settings) as site:
        server = site.up(within=60)
        client = site.client()
        proof = signed(client.credentials)
        task = client.finish(callbackUrl="http://127.0.0.1:9/done?token=of-receiver")
        client.post("Task/Detail", {"tasktoken": "x"}, headers={"x-api-key": "key-of-stranger", "x-nonce": "nonce"})
        httpx2.get(f"{task['outputs'][0]['url']}?token=in-address", trust_env=False)
        httpx2.get(f"{client.url}/metrics", headers={"authorization": "Bearer wrong-token"}, trust_env=False)
        httpx2.get(f"{client.url}/nowhere?apikey=in-address", trust_env=False)
        httpx2.post(f"{client.url}/v1/Run/hevok/studio-trigger", content=b"{broken", headers=proof, trust_env=False)
        with client.socket() as socket:
            asked = {"type": "project_info", "apikey": proof["x-api-key"], "nonce": "1", "signature": "of-socket"}
            socket.send(json.dumps(asked))
            socket.send(json.dumps({"type": "task_info", "tasktoken": task["socketaccesstoken"]}))
            socket.recv(10)
        crashed = client.finish(prompt="dies <fake:dies_hard>")
        eventually(lambda: "webhook" in server.said)

        lines = [line for line in server.said.splitlines() if line.startswith("{")]
        records = [json.loads(line) for line in lines]
        secrets = [
            *(client.credentials.api_key, client.credentials.api_secret, proof["x-signature"], "of-socket"),
            *(task["socketaccesstoken"], task["outputs"][0]["url"].split("/")[-2], "token-of-metrics", "wrong-token"),
            *("key-of-stranger", "of-receiver", "in-address", "a small red circle"),
        ]
        assert [secret for secret in secrets if any(secret in line for line in lines)] == []
        assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
        about = {record.get("task_id") for record in records if "engine process died" in record["message"]}
        assert about == {crashed["id"]}
