"""Turns what became of a Kinesis producer's records into tuples: one by one, in arrays, by shard and by error code.

Never asks the producer: it fills them.
Rules: docs/kinesis.md, "Batches of records" and "Counters".
"""

from __future__ import annotations

from typing import NamedTuple

from pinpipe._kafka_batch import Column


class Report(NamedTuple):
    """What became of a written record. error: None, or the name of a status; then it has no place."""

    tag: int
    error: str | None
    attempts: int
    latency_ms: int
    shard: str | None
    sequence_number: str | None


class Reports(NamedTuple):
    """What became of many records, an entry a record in the order in which they ended.

    tags, latencies_ms: int64; errors, attempts: int32, an error is a status' number, 0 = delivered. shards and
    sequence_numbers: text in Arrow's layout with offsets of 8 bytes, empty where a record was not delivered.
    """

    tags: memoryview
    errors: memoryview
    attempts: memoryview
    latencies_ms: memoryview
    shards: Column
    sequence_numbers: Column


class ShardMetrics(NamedTuple):
    """What a producer has met in a shard, in the service's records: an aggregate is one.

    throttled: of the refused, because the shard had no room. pace_percent: of what a shard takes, less after it had no
    room. waiting_ms: until it may send again.
    """

    delivered: int
    refused: int
    throttled: int
    pace_percent: int
    waiting_ms: int


class Metrics(NamedTuple):
    """By open shard ("" where they are not known), and by error code how many of the service's records it refused.

    A code is the service's; where it gave none, or no answer came, the name of a status.
    """

    shards: dict[str, ShardMetrics]
    errors: dict[str, int]
