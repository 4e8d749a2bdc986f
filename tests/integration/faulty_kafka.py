"""Turns tests/doubles/kafka into a running Kafka cluster whose faults a test orders.

Never leaves a process behind and never listens beyond the loopback address; a missing Go is a failure that names it.
Rules: docs/testing.md, "The faulty cluster".
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers import STOP_TIMEOUT_S, TOOLS, alone

SOURCE = Path(__file__).parents[1] / "doubles" / "kafka"

#: Kafka's request keys.
PRODUCE, FETCH, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 3, 8, 9, 10
JOIN_GROUP, HEARTBEAT, SYNC_GROUP, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = 11, 12, 14, 19, 20, 22
DESCRIBE_CONFIGS = 32
#: Kafka's error codes.
NOT_LEADER, REQUEST_TIMED_OUT, COORDINATOR_LOADING, NOT_COORDINATOR, TOPIC_DENIED, GROUP_DENIED = (
    6,
    7,
    14,
    16,
    29,
    30,
)
NOT_ENOUGH_REPLICAS, NOT_ENOUGH_AFTER_APPEND, OUT_OF_ORDER_SEQUENCE, STORAGE_ERROR = 19, 20, 45, 56


def faulty_kafka_program() -> Path:
    """The cluster, built once for its sources."""
    sources = [SOURCE / name for name in ("go.mod", "go.sum", "main.go")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    program = TOOLS / f"faulty-kafka-{digest}"
    with alone("faulty-kafka"):
        if not program.exists():
            go = shutil.which("go")
            if not go:
                pytest.fail("go is missing: it builds tests/doubles/kafka")
            part = TOOLS / f"part-{os.getpid()}"
            done = subprocess.run(
                [go, "build", "-o", str(part), "."], cwd=SOURCE, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                pytest.fail(f"go build of tests/doubles/kafka: {done.stderr[-2000:]}")
            part.rename(program)
    return program


class FaultyKafka:
    """A running cluster. An order is done when its method returns."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.brokers = str(self._answer()["brokers"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def order(self, do: str, **fields: Any) -> dict[str, Any]:
        """Sends an order and returns its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert answer["ok"], answer
        return answer

    def topic(self, name: str, partitions: int) -> None:
        """Makes a topic."""
        self.order("topic", topic=name, partitions=partitions)

    def fail(self, key: int, error: int, count: int = -1) -> None:
        """Answers requests of a key by an error, `count` times; -1 = until `heal`."""
        self.order("fault", keys=[key], error=error, count=count)

    def silence(self, *keys: int, count: int = -1) -> None:
        """Answers requests of these keys never."""
        self.order("silence", keys=list(keys), count=count)

    def hits(self) -> int:
        """How often there was silence, a cut or a stale answer so far; errors count once they are taken back."""
        return int(self.order("hits")["hits"])

    def cut(self, *keys: int, count: int = -1) -> None:
        """Ends the connection instead of an answer."""
        self.order("cut", keys=list(keys), count=count)

    def stale(self, count: int = -1) -> None:
        """Answers questions for all topics by what is so now, `count` times."""
        self.order("stale", count=count)

    def shuffle(self) -> None:
        """Moves leaders and coordinators."""
        self.order("shuffle")

    def pause(self) -> None:
        """Stops the process: connections stay, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._process.send_signal(signal.SIGCONT)

    def heal(self) -> int:
        """Takes all faults back; how often there was one so far."""
        return int(self.order("heal")["hits"])


@contextmanager
def run_faulty_kafka(*options: str) -> Iterator[FaultyKafka]:
    """A cluster with the program's options."""
    command = [str(faulty_kafka_program()), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield FaultyKafka(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
