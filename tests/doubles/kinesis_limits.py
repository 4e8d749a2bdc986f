"""Turns PutRecords requests into what a stream's shards take of them: the rest is refused entry by entry, as AWS does.

Never forwards a refused entry, and never decides by chance without a seed.
Rules: Amazon Kinesis API Reference, "PutRecords"; quotas: 1,000 records and 1 MiB a second and shard.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.payload import Payload
from tests.doubles.refusals import Refusal
from tests.doubles.wire import Head

THROTTLED = "ProvisionedThroughputExceededException"
FAILED = "InternalFailure"
HASHES = 1 << 128
REQUEST_RECORDS_MAX = 500
REQUEST_BYTES_MAX = 10 << 20


@dataclass(slots=True)
class _Bucket:
    records: float
    size: float
    filled_s: float


@dataclass(slots=True)
class ShardLimits:
    """The shards of one evenly split stream, JSON only.

    records_s, bytes_s: what a shard takes; burst_s: seconds of it that it saves up. failing: share of the entries that
    fail for no reason, drawn with `seed`. refused, accepted: entries so far.
    """

    shards: int
    records_s: float = 1000.0
    bytes_s: float = float(1 << 20)
    burst_s: float = 1.0
    failing: float = 0.0
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _buckets: list[_Bucket] = field(default_factory=list)
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        now = self.clock()
        full = (self.records_s * self.burst_s, self.bytes_s * self.burst_s)
        self._buckets = [_Bucket(*full, now) for _ in range(self.shards)]
        self._random.seed(self.seed)

    def shard_of(self, entry: dict[str, Any]) -> int:
        """The number of the shard that takes an entry."""
        told = entry.get("ExplicitHashKey")
        digest = hashlib.md5(entry["PartitionKey"].encode(), usedforsecurity=False).digest()
        return (int(told) if told else int.from_bytes(digest)) * self.shards // HASHES

    def judge(self, entry: dict[str, Any]) -> str | None:
        """The code that an entry is refused with; None: it is taken."""
        size = len(base64.b64decode(entry["Data"])) + len(entry["PartitionKey"].encode())
        with self._lock:
            if self._random.random() < self.failing:
                self.failed += 1
                return FAILED
            bucket, now = self._buckets[self.shard_of(entry)], self.clock()
            gone = now - bucket.filled_s
            bucket.records = min(self.records_s * self.burst_s, bucket.records + gone * self.records_s)
            bucket.size = min(self.bytes_s * self.burst_s, bucket.size + gone * self.bytes_s)
            bucket.filled_s = now
            if bucket.records < 1 or bucket.size < size:
                self.refused += 1
                return THROTTLED
            bucket.records -= 1
            bucket.size -= size
            self.accepted += 1
            return None

    def take(self, head: Head, payload: Payload) -> Cut | None:
        """Leaves in `payload` what the shards take; None where the request writes no records."""
        operation = head.value("x-amz-target").rpartition(".")[2]
        if operation not in ("PutRecord", "PutRecords"):
            return None
        message = json.loads(payload.file.read())
        payload.file.seek(0)
        if operation == "PutRecord":
            code = self.judge(message)
            if code:
                raise Refusal(THROTTLED if code == THROTTLED else "InternalError")
            return None
        entries = message["Records"]
        total = sum(len(base64.b64decode(e["Data"])) + len(e["PartitionKey"].encode()) for e in entries)
        if not 1 <= len(entries) <= REQUEST_RECORDS_MAX or total > REQUEST_BYTES_MAX:
            raise Refusal("InvalidArgument", f"{len(entries)} records of {total} bytes in one request")
        codes = [self.judge(entry) for entry in entries]
        message["Records"] = [entry for entry, code in zip(entries, codes, strict=True) if not code]
        body = json.dumps(message).encode()
        payload.file = io.BytesIO(body)
        payload.size, payload.sha256 = len(body), hashlib.sha256(body).hexdigest()
        return Cut(codes)


@dataclass(frozen=True, slots=True)
class Cut:
    """What was refused of a request, entry by entry."""

    codes: list[str | None]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to forward."""
        return all(self.codes)

    def answer(self, body: bytes) -> bytes:
        """The backend's answer to the rest, with the refused entries in their places."""
        said: dict[str, Any] = json.loads(body) if body else {"Records": []}
        taken = iter(said["Records"])
        records = [
            {"ErrorCode": code, "ErrorMessage": f"{code} by the gate"} if code else next(taken)
            for code in self.codes
        ]
        failed = sum("ErrorCode" in record for record in records)
        return json.dumps({"FailedRecordCount": failed, "Records": records}).encode()
