"""Turns three members of a group into readers of one stream that is split and merged, while one of them is killed.

Never sleeps for an event that it can wait for; counts every record that any member has handed out.
Rules: docs/stream.md, "Groups"; issue 7, "It must show": at least once, duplicates within a commit, takeover in time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pinpipe
import pytest
from gates import KEY
from pinpipe import kinesis
from pinpipe._kinesis_group import Leases

from tests.doubles.gate import Gate

LEASE_S = 2.0
MEMBERS = 3
SHARDS = 4
BATCH = 40
RUN_TIMEOUT_S = 180.0
PROGRAM = """
import json, os, sys, time
import pinpipe
from pinpipe import kinesis
stream, store, endpoint, s3_endpoint, lease, batch, path = sys.argv[1:8]
credentials = pinpipe.Credentials.static(os.environ["GATE_KEY"], os.environ["GATE_SECRET"])
s3 = pinpipe.s3.Client(s3_endpoint, credentials=credentials) if store.startswith("s3://") else None
member = kinesis.GroupConsumer(stream, "g", store, endpoint, s3=s3, credentials=credentials, lease=float(lease),
    hand_over=10, idle=0.2)
again = False
with open(path, "a", buffering=1) as out:
    while not os.path.exists(path + ".stop"):
        found = member.consume_batch(int(batch), 0.3)
        for record in found.records():
            out.write(json.dumps([record.shard, int(record.data)]) + "\\n")
        if len(found) or found.positions or again:
            try:
                lost, again = member.commit(), False
                out.write(json.dumps(["commit", lost]) + "\\n")
            except pinpipe.Error as error:
                again = error.retryable
                if not again:
                    raise
        ours = sorted(each.shard for each in member.leases if each.state == "ours")
        out.write(json.dumps(["ours", ours, time.monotonic()]) + "\\n")
member.close()
"""


class Member:
    """A process that reads, and what it has written down."""

    def __init__(self, arguments: list[str], path: Path) -> None:
        self.path = path
        environment = os.environ | {"GATE_KEY": KEY.key_id, "GATE_SECRET": KEY.secret}
        command = [sys.executable, "-c", PROGRAM, *arguments, str(path)]
        self.process = subprocess.Popen(command, env=environment)

    def told(self) -> list[list[object]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("]")]

    def numbers(self) -> list[int]:
        return [int(str(line[1])) for line in self.told() if str(line[0]).startswith("shardId")]

    def ours(self) -> list[str]:
        last = [line[1] for line in self.told() if line[0] == "ours"]
        return list(last[-1]) if last and self.process.poll() is None else []  # type: ignore[call-overload]

    def end(self) -> int:
        """The exit code of a member that was told to stop; one that does not is killed."""
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()


class Load(threading.Thread):
    """Writes numbers into a stream, one after the other, until it is stopped; record: what is written of a number."""

    def __init__(
        self, endpoint: str, stream: str, record: Callable[[int], bytes] = lambda number: b"%d" % number
    ) -> None:
        super().__init__(daemon=True)
        self._record = record
        self._client = kinesis.Client(endpoint, credentials=pinpipe.Credentials.static("k", "s"), timeout=60)
        self._stream = stream
        self._ended = threading.Event()
        self.sent = 0

    def run(self) -> None:
        while not self._ended.wait(0.01):
            self._client.put(self._stream, self._record(self.sent), f"key-{self.sent}")
            self.sent += 1

    def wait_for(self, more: int) -> None:
        wanted = self.sent + more
        wait_for(lambda: self.sent >= wanted, f"{wanted} records are sent")

    def stop(self) -> None:
        self._ended.set()
        self.join(60)


def wait_for(condition: Callable[[], bool], what: str, timeout: float = 60.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout, what
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where the leases lie, and the endpoint of S3: a folder, or a bucket behind the gate whose answers get lost."""
    if request.param == "folder":
        yield f"file://{tmp_path}/leases", ""
        return
    gate: Gate = request.getfixturevalue("gate")
    bucket: str = request.getfixturevalue("gate_bucket")
    for fault, share in (("lost-reply", 0.05), ("409", 0.05), ("503", 0.02)):
        gate.faults.add(fault, method="PUT", count=None, probability=share)
    yield f"s3://{bucket}/leases", gate.endpoint
    assert gate.journal.refused == []
    assert gate.journal.faults != []


def test_three_members_one_killed_while_the_stream_is_split_and_merged(
    kinesis_local: str, store: tuple[str, str], tmp_path: Path
) -> None:
    client = kinesis.Client(kinesis_local, credentials=pinpipe.Credentials.static("k", "s"), timeout=60)
    name = f"group-{uuid.uuid4().hex[:12]}"
    client.create_stream(name, SHARDS)
    arguments = [name, store[0], kinesis_local, store[1], str(LEASE_S), str(BATCH)]
    members = [Member(arguments, tmp_path / f"member-{number}") for number in range(MEMBERS)]
    load = Load(kinesis_local, name)

    def seen() -> Counter[int]:
        return Counter(number for member in members for number in member.numbers())

    try:
        load.start()
        wait_for(lambda: sum(len(member.ours()) for member in members) == SHARDS, "shards are shared")
        wait_for(lambda: all(bool(member.ours()) for member in members), "each member has a share")
        first, _, third, fourth = client.shards(name)
        client.split_shard(name, first.id, str(int(first.last_hash) // 2))
        load.wait_for(60)
        client.merge_shards(name, third.id, fourth.id)
        load.wait_for(60)
        victim = members[0]
        held = set(victim.ours())
        victim.process.send_signal(signal.SIGKILL)
        victim.process.wait()
        load.wait_for(60)
        load.stop()
        # What it held is another's, or has ended.
        taken = wait_for(
            lambda: (
                len(seen()) == load.sent
                and held <= {*members[1].ours(), *members[2].ours(), *closed(client, name)}
            ),
            "every record is read",
            RUN_TIMEOUT_S,
        )
        counts = seen()
        doubled = sum(count - 1 for count in counts.values())
        print(f"{load.sent} records, {doubled} twice, the last of them {taken:.1f} s after the load's end")
        assert sorted(counts) == list(range(load.sent))
        assert doubled <= BATCH, "of the killed member, what it had not committed"
    finally:
        load.stop()
        for member in members:
            Path(f"{member.path}.stop").touch()
        ended = [member.end() for member in members[1:]]
        client.delete_stream(name)
    assert ended == [0, 0]


def closed(client: kinesis.Client, name: str) -> set[str]:
    """Shards that get no more records."""
    return {shard.id for shard in client.shards(name) if shard.last_sequence is not None}


def test_a_dead_members_leases_are_taken_within_two_leases(store: tuple[str, str]) -> None:
    """Measured alone, without a stream: from the last renewal that came through to the takeover."""
    url, endpoint = store
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    s3 = pinpipe.s3.Client(endpoint, credentials=credentials) if endpoint else None
    lease_s = 1.0
    dying, heir = (Leases(f"{url}/g/takeover", s3, lease_s, 5.0, 5.0) for _ in range(2))

    def poll(member: Leases) -> list[str]:
        try:
            return [each.shard for each in member.poll() if each.state == "ours"]
        except pinpipe.Error as error:
            assert error.retryable
            return []

    for member in (dying, heir):
        for number in range(4):
            member.put(f"shard-{number}", None, None)
    wait_for(lambda: len(poll(dying)) == 4, "all are taken")
    for _ in range(8):
        poll(dying), poll(heir)
        time.sleep(0.05)
    asked = [each.shard for each in dying.known() if each.state == "asked for"]
    died = time.monotonic()
    wait_for(lambda: len(poll(heir)) == 4, "all are taken over")
    took = time.monotonic() - died
    print(f"lease {lease_s} s, {len(asked)} asked for, taken over in {took:.2f} s")
    assert took <= 2 * lease_s


def asked(gate: Gate) -> Counter[str]:
    """Requests by kind since the last look."""
    heads = gate.journal.heads
    gate.journal.clear()
    return Counter("LIST" if "list-type" in head.target else head.method for head in heads)


def test_a_round_costs_a_list_and_what_has_changed(gate: Gate, gate_bucket: str) -> None:
    """Counted; the time of a round at 20 ms an answer is printed."""
    shards, round_s = 200, 1.0
    s3 = pinpipe.s3.Client(gate.endpoint, credentials=pinpipe.Credentials.static(KEY.key_id, KEY.secret))
    one, two = (Leases(f"s3://{gate_bucket}/leases/g/s", s3, 4 * round_s, 30.0, 20.0) for _ in range(2))
    for member in (one, two):
        for number in range(shards):
            member.put(f"shardId-{number:012d}", None, None)
    assert sum(lease.state == "ours" for lease in one.poll()) == shards
    assert asked(gate) == {"LIST": 1, "PUT": 2 * shards}, "made and taken; nothing was there to be read"
    assert {lease.state for lease in two.poll()} == {"another's"}
    assert asked(gate) == {"LIST": 1, "GET": shards, "PUT": 1}, "all is new to it, and it asks for one"
    time.sleep(round_s)
    two.poll()
    assert asked(gate) == {"LIST": 1}, "nothing has changed"
    gate.faults.add("delayed", count=None, seconds=0.02)
    began = time.monotonic()
    one.poll()
    print(f"{shards} leases: a round took {time.monotonic() - began:.2f} s at 20 ms an answer")
    assert asked(gate) == {"LIST": 1, "GET": 1, "PUT": shards}, (
        "one that the other asked for, all are renewed"
    )
    assert gate.journal.refused == []
