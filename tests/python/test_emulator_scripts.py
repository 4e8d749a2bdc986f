"""Turns runs of the example scripts into checks of what arrives behind one API Gateway: topics, streams, both.

Never reaches a service: the proxy and the gateway answer on the loopback address.
Rules: the course's two scripts (domain notes §3.2, §3.4); docs/kafka-rest.md, docs/kinesis.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.kafka_rest import Answer, Proxy, Request, Server

SCRIPTS = Path(__file__).resolve().parents[2] / "examples/emulator"
USER = "0a1b2c3d4e5f"
KINDS = ("pin", "geo", "user")


class Gateway:
    """The course's API: /test/topics before a REST proxy, /test/streams before Kinesis, which takes everything."""

    def __init__(self) -> None:
        self.proxy = Proxy({f"{USER}.{kind}": 1 for kind in KINDS}, stage="/test")
        self.streams: dict[str, list[Any]] = {}

    def __call__(self, request: Request) -> Answer | None:
        _, stage, resource, name, *_ = request.target.split("/")
        if (stage, resource) != ("test", "streams"):
            return self.proxy(request)
        told = json.loads(request.body)["records"]
        self.streams.setdefault(name, []).extend(json.loads(each["data"]) for each in told)
        entries = [
            {"SequenceNumber": f"4954{i:04}", "ShardId": "shardId-000000000000"} for i in range(len(told))
        ]
        body = json.dumps({"FailedRecordCount": 0, "Records": entries}).encode()
        return Answer(200, body, {"Content-Type": "application/json"})


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), "--user-id", USER, "--rows", "3", "--rate", "1000"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True)


@pytest.mark.parametrize(
    ("script", "topics", "streams"),
    [
        ("user_posting_emulation.py", True, False),
        ("user_posting_emulation_streaming.py", False, True),
        ("user_posting_emulation_both.py", True, True),
    ],
)
def test_the_courses_scripts_run_with_an_invoke_url(script: str, topics: bool, streams: bool) -> None:
    gateway = Gateway()
    with Server(gateway) as server:
        done = run(script, "--invoke-url", f"{server.endpoint}/test")
    assert "3 draws, 9 rows" in done.stderr
    for kind in KINDS:
        in_topic = gateway.proxy.values(f"{USER}.{kind}")
        in_stream = gateway.streams.get(f"streaming-{USER}-{kind}", [])
        assert (len(in_topic), len(in_stream)) == (3 * topics, 3 * streams)
        if topics and streams:
            assert sorted(in_topic, key=str) == sorted(in_stream, key=str)
    geo = gateway.proxy.values(f"{USER}.geo") if topics else gateway.streams[f"streaming-{USER}-geo"]
    assert sorted(row["ind"] for row in geo) == [2863, 5730, 7528]


@pytest.mark.parametrize("script", ["user_posting_emulation.py", "user_posting_emulation_streaming.py"])
def test_without_a_target_rows_are_printed(script: str) -> None:
    assert [set(json.loads(line)) >= {"index"} for line in run(script).stdout.splitlines()].count(True) == 3


def test_both_layers_by_targets(tmp_path: Path) -> None:
    folders = [tmp_path / "batch", tmp_path / "stream"]
    run("user_posting_emulation_both.py", *(f"--to=file://{folder}" for folder in folders))
    batch, stream = (
        sorted((path.name, path.read_bytes()) for path in folder.iterdir()) for folder in folders
    )
    assert batch == stream
    assert len(batch) == len(KINDS)
