"""Turns requests to read a stream into what its shards let through: calls and bytes a second, iterators that expire.

Never changes an answer: it is only looked at for the iterators and the bytes in it.
Rules: Amazon Kinesis API Reference, "GetRecords": 5 calls and 2 MiB a second and shard, iterators live five minutes.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.payload import Payload
from tests.doubles.refusals import Refusal
from tests.doubles.wire import Head

THROTTLED = "ProvisionedThroughputExceededException"
EXPIRED = "ExpiredIteratorException"


@dataclass(slots=True)
class ReadLimits:
    """The shards of one stream, JSON only.

    calls_s, bytes_s: what a shard gives; a second of bytes may be taken ahead. iterator_s: how long an iterator lives.
    calls, throttled, expired: requests for records so far, and what was refused of them.
    """

    calls_s: int = 5
    bytes_s: float = float(2 << 20)
    iterator_s: float = 300.0
    clock: Callable[[], float] = time.monotonic
    calls: int = 0
    throttled: int = 0
    expired: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _iterators: dict[str, tuple[str, float]] = field(
        default_factory=dict
    )  # to the shard and the time they were given
    _times: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _busy: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def take(self, head: Head, payload: Payload) -> Looked | None:
        """Refuses what a shard has no room for; None where the request reads nothing."""
        operation = head.value("x-amz-target").rpartition(".")[2]
        if operation not in ("GetShardIterator", "GetRecords"):
            return None
        message = json.loads(payload.file.read())
        payload.file.seek(0)
        if operation == "GetShardIterator":
            return Looked(self, message["ShardId"])
        with self._lock:
            self.calls += 1
            shard, given = self._iterators[message["ShardIterator"]]
            now, times = self.clock(), self._times[shard]
            if now - given > self.iterator_s:
                self.expired += 1
                raise Refusal(EXPIRED)
            while times and now - times[0] >= 1:
                times.popleft()
            if len(times) >= self.calls_s or self._busy[shard] > now + 1:
                self.throttled += 1
                raise Refusal(THROTTLED)
            times.append(now)
            return Looked(self, shard)

    def look(self, shard: str, said: dict[str, Any]) -> None:
        """Remembers an answer's iterator, and the bytes of its records."""
        size = sum(len(record["Data"]) * 3 // 4 for record in said.get("Records", ()))
        iterator = said.get("ShardIterator") or said.get("NextShardIterator")
        with self._lock:
            now = self.clock()
            self._busy[shard] = max(self._busy[shard], now) + size / self.bytes_s
            if iterator:
                self._iterators[iterator] = (shard, now)


@dataclass(frozen=True, slots=True)
class Looked:
    """A request that is forwarded, and whose answer is looked at."""

    limits: ReadLimits
    shard: str
    is_whole: bool = False

    def answer(self, body: bytes) -> bytes:
        """The answer as it is."""
        self.limits.look(self.shard, json.loads(body))
        return body
