"""Turns 200 kills, broker restarts, rebalances and store faults into proof: every offset is in exactly one object.

Never counts with the library: the reader opens the store's files with Python's standard library alone.
Rules: docs/sink.md, "Exactly once"; issue 6, "It must show". PINPIPE_SEED repeats a run.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pinpipe
import pytest
from gates import KEY, backend_of
from kafka_broker import Broker, kill_and_restart, run_kafka
from pinpipe import kafka
from servers import Store, run_versitygw
from test_kafka_broker import SESSION, Writer

from tests.doubles.gate import Gate

KILLS = 200
PARTITIONS = 3
TOPIC, BUCKET = "soak.pin", "soak"
SLOTS = 3
#: What the store does to a request, and how often.
FAULTS = {
    "500": 0.03,
    "503": 0.03,
    "reset-in-body": 0.02,
    "reset-after": 0.02,
    "lost-reply": 0.05,
    "409": 0.02,
}


class Slot:
    """A member of the group: a process that runs, or none."""

    def __init__(
        self, number: int, broker: Broker, environment: dict[str, str], chance: random.Random
    ) -> None:
        self._number = number
        self._broker = broker
        self._environment = environment
        self._chance = chance
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *last: str) -> None:
        """The command as a user runs it; rotations are others every time, so that nothing ends where it did."""
        command = [sys.executable, "-m", "pinpipe", "sink", "--brokers", self._broker.brokers]
        command += [
            "--topics",
            TOPIC,
            "--to",
            f"s3://{BUCKET}/topics",
            "--group",
            "soak",
            "--layout",
            "envelope",
        ]
        command += ["--flush-records", str(self._chance.randrange(20, 400))]
        command += [
            "--idle-ms",
            str(self._chance.randrange(100, 600)),
            "--connector",
            "s3.compression.type=gzip",
        ]
        settings: dict[str, object] = {**SESSION}
        if self._number == 0:
            settings["group.instance.id"] = "first"
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        self.process = subprocess.Popen(
            [*command, *last], env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def kill(self) -> bool:
        """kill -9; False where the process had ended by itself, with an error that a restarted broker explains."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        gave_up = self._gave_up(process.returncode, err.decode())
        assert gave_up or process.returncode == -signal.SIGKILL, (process.returncode, err)
        return not gave_up

    def stop(self, timeout: float) -> None:
        """The end that a user asks for."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=timeout)
        # It may not have come to its handler yet.
        as_asked = process.returncode in (0, -signal.SIGTERM)
        assert as_asked or self._gave_up(process.returncode, err.decode()), (process.returncode, err)

    def _gave_up(self, code: int, told: str) -> bool:
        """Whether it ended by an error that a restarted broker explains: none was there before it had joined."""
        return code == 1 and any(
            reason in told for reason in (self._broker.brokers, "fenced by other consumer")
        )


def stored(root: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """(object, record) of every line in the store, by its files."""
    for path in sorted(root.rglob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        start = int(path.name.removesuffix(".json.gz").split("+")[2])
        assert records[0]["offset"] == start, path
        for record in records:
            yield path.name, record


def count(root: Path) -> tuple[int, int, list[str]]:
    """Offsets, objects, and what is wrong: an offset in two objects, one in none, a value in another's place."""
    homes: dict[tuple[int, int], str] = {}
    wrong: list[str] = []
    numbers: Counter[int] = Counter()
    for name, record in stored(root):
        place = int(str(record["partition"])), int(str(record["offset"]))
        if place in homes:
            wrong.append(f"{place} is in {homes[place]} and in {name}")
        homes[place] = name
        value = record["value"]
        assert isinstance(value, dict)
        numbers[value["n"]] += 1
        if str(value["n"]) != record["key"]:
            wrong.append(f"{place} has the key {record['key']} and the value {value['n']}")
    for partition in range(PARTITIONS):
        offsets = sorted(offset for found, offset in homes if found == partition)
        wrong += [f"{partition, n} is in no object" for n in set(range(offsets[-1] + 1)) - set(offsets)]
    wrong += [f"record {n} is stored {times} times" for n, times in numbers.items() if times != 1]
    return len(numbers), len(set(homes.values())), wrong


class Trouble:
    """What happens to the sinks, drawn event by event."""

    def __init__(self, slots: list[Slot], broker: Broker, chance: random.Random) -> None:
        self._slots = slots
        self._broker = broker
        self._chance = chance
        self.events: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}

    def play(self) -> None:
        """One event."""
        drawn = self._chance.random()
        event = (
            "restart" if drawn < 0.03 else "zombie" if drawn < 0.08 else "member" if drawn < 0.2 else "kill"
        )
        self.events[event] += 1
        began = time.monotonic()
        getattr(self, f"_{event}")()
        self.seconds[event] = self.seconds.get(event, 0.0) + time.monotonic() - began

    def _kill(self) -> None:
        running = [slot for slot in self._slots if slot.process]
        slot = self._chance.choice(running)
        time.sleep(self._chance.uniform(0.1, 1.5))
        if not slot.kill():
            self.events["kill"] -= 1
            self.events["gave up"] += 1
        slot.start()

    def _restart(self) -> None:
        kill_and_restart(self._broker)

    def _member(self) -> None:
        slot = self._slots[-1]
        if slot.process is None:
            slot.start()
            return
        slot.stop(60)

    def _zombie(self) -> None:
        slot = self._slots[self._chance.randrange(1, SLOTS - 1)]
        assert slot.process is not None
        slot.process.send_signal(signal.SIGSTOP)
        time.sleep(SESSION["session.timeout.ms"] / 1000 + 1.5)
        slot.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own, whose files the reader opens."""
    with run_versitygw(tmp_path / "store") as store:
        yield store


@pytest.mark.soak
def test_every_offset_is_in_one_object(own_store: Store, tmp_path: Path, soak_share: float) -> None:
    seed = int(os.environ.get("PINPIPE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"PINPIPE_SEED={seed}")
    chance = random.Random(seed)
    kills = int(KILLS * soak_share)
    past_gate = pinpipe.s3.Client(
        own_store.endpoint,
        region=own_store.region,
        credentials=pinpipe.Credentials.static(own_store.key, own_store.secret),
    )
    past_gate.create_bucket(BUCKET)
    (tmp_path / "kafka").mkdir()
    with run_kafka(tmp_path / "kafka") as broker, Gate(backend_of(own_store), keys=[KEY], seed=seed) as gate:
        with kafka.Admin(broker.brokers) as admin:
            admin.create_topic(TOPIC, PARTITIONS)
        for fault, probability in FAULTS.items():
            gate.faults.add(fault, method="PUT|HEAD", count=None, probability=probability, at_bytes=100)
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL_S3": gate.endpoint,
            "AWS_REGION": own_store.region,
            "AWS_ACCESS_KEY_ID": KEY.key_id,
            "AWS_SECRET_ACCESS_KEY": KEY.secret,
        }
        slots = [Slot(number, broker, environment, chance) for number in range(SLOTS)]
        trouble = Trouble(slots, broker, chance)
        writer = Writer(broker.brokers, TOPIC)
        writer.start()
        for slot in slots[:-1]:
            slot.start()
        while trouble.events["kill"] < kills:
            trouble.play()
        for slot in slots:
            if slot.process:
                slot.kill()
        writer.stop.set()
        writer.join()
        gate.faults.clear()
        slots[1].start("--until-idle", "9")
        assert slots[1].process is not None
        out, err = slots[1].process.communicate(timeout=180)
        assert slots[1].process.returncode == 0, (out, err)
        found, objects, wrong = count(tmp_path / "store/root" / BUCKET)
        seconds = {event: round(spent, 1) for event, spent in trouble.seconds.items()}
        print(f"{dict(trouble.events)} in seconds {seconds}")
        failed = f", {writer.failed} of them told as not delivered" if writer.failed else ""
        print(f"{found} of {writer.written} records{failed}, in {objects} objects, {len(wrong)} wrong")
        assert wrong == []
        # A broker that is killed may end the writer's producer: what it was told of may be there or not, all else is.
        assert writer.written - writer.failed <= found <= writer.written
        assert gate.journal.refused == []
