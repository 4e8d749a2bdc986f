"""Turns librdkafka's last count of a client into a tuple of numbers.

Never counts by itself, and never asks for a count.
Rules: docs/kafka.md, "Statistics"; librdkafka STATISTICS.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pinpipe import native


class Statistics(NamedTuple):
    """How a client does, as of librdkafka's last count (setting statistics.interval.ms).

    Counts run from the client's making; latencies are of the last period, the slowest broker's.
    """

    time_ms: int  # of the count, since 1970 in UTC
    queued_records: int  # of a producer: not sent, or without a report
    queued_bytes: int
    fetched_queue_records: int  # of a consumer: fetched and not read
    fetched_queue_bytes: int
    sent_requests: int
    sent_bytes: int
    received_responses: int
    received_bytes: int
    sent_records: int
    sent_record_bytes: int
    received_records: int
    received_record_bytes: int
    request_errors: int
    request_retries: int
    request_timeouts: int
    queue_latency_p50_us: int  # from the write to the request
    queue_latency_p99_us: int
    output_latency_p99_us: int  # from the request to the socket
    round_trip_p50_us: int  # from the request to its response
    round_trip_p99_us: int
    throttle_max_ms: int  # that a broker asked for
    batch_records_avg: int  # of a produce request
    batch_bytes_avg: int
    lag_records: int  # committed to the end, over all partitions
    lag_max_records: int  # of one partition
    rebalances: int
    brokers_up: int  # connections
    json: str  # the whole document, librdkafka's STATISTICS.md


def statistics_of(found: Any) -> Statistics | None:
    """What the core has counted: a handle, with a status before it where nothing has come."""
    return None if isinstance(found, tuple) else Statistics(*native.kafka_statistics_values(found))
