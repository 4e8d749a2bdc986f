"""One run of one way to write or read a topic, in a process of its own: a line of JSON with CPU and wall seconds.

Never counts imports, the making of values or of a client, or the first record of a topic.
Rules: docs/performance.md, "Kafka"; the CPU is that of the whole process, librdkafka's threads too.

    python peer_kafka.py JOB    JOB is JSON: who, what, brokers, topic, count, input
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Job = dict[str, Any]
BATCH = 20_000
PEER_BATCH = 1000  # of its documentation's examples
#: The same for both: librdkafka's documentation asks for linger and room where throughput counts.
PRODUCER: dict[str, str | int] = {
    "linger.ms": 50,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 262_144,
    "enable.idempotence": "true",
    "partitioner": "murmur2_random",
    "socket.nagle.disable": "true",
}
CONSUMER: dict[str, str | int] = {
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 65_536,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "socket.nagle.disable": "true",
}


def _lines(job: Job) -> list[bytes]:
    lines, count = Path(job["input"]).read_bytes().splitlines(), int(job["count"])
    return (lines * (count // len(lines) + 1))[:count]


def _ours(job: Job) -> Any:
    from pinpipe import kafka

    producer = kafka.Producer(job["brokers"], settings=PRODUCER)
    producer.write(job["topic"], b"first")
    producer.flush()
    return producer


def _theirs(job: Job) -> Any:
    import confluent_kafka

    producer = confluent_kafka.Producer({"bootstrap.servers": job["brokers"], **PRODUCER})
    producer.produce(job["topic"], b"first")
    producer.flush()
    return producer


def _finish(deliveries: list[Any]) -> int:
    """The results of every record, as arrays of offsets, partitions and error codes."""
    delivered = 0
    for delivery in deliveries:
        delivery.wait()
        arrays = (delivery.offsets, delivery.partitions, delivery.errors)
        delivered += delivery.delivered if len({len(one) for one in arrays}) == 1 else 0
    return delivered


def _batches_pinpipe(job: Job, batches: list[Any]) -> Callable[[], int]:
    producer = _ours(job)

    def work() -> int:
        return _finish([producer.produce_batch(job["topic"], values) for values in batches])

    return work


def _list_pinpipe(job: Job) -> Callable[[], int]:
    lines = _lines(job)
    return _batches_pinpipe(job, [lines[i : i + BATCH] for i in range(0, len(lines), BATCH)])


def _arrow_pinpipe(job: Job) -> Callable[[], int]:
    import pyarrow

    lines = _lines(job)
    return _batches_pinpipe(
        job, [pyarrow.array(lines[i : i + BATCH], pyarrow.binary()) for i in range(0, len(lines), BATCH)]
    )


def _sending(producer: Any, send: Callable[[], Any]) -> None:
    while True:
        try:
            send()
            return
        except BufferError:
            producer.poll(0.1)


def _report() -> tuple[list[int], Callable[[Any, Any], None]]:
    """The offsets of delivered records, and the callback that fills them."""
    offsets: list[int] = []

    def told(error: Any, message: Any) -> None:
        if error is None:
            offsets.append(message.offset())

    return offsets, told


def _one_by_one(job: Job, items: list[Any], render: Callable[[Any], Any] | None) -> Callable[[], int]:
    """produce() for each item; `render` makes its value, None = it is one."""
    producer, topic = _theirs(job), job["topic"]
    offsets, told = _report()

    def work() -> int:
        for number, item in enumerate(items):
            value = render(item) if render else item
            _sending(producer, partial(producer.produce, topic, value, on_delivery=told))
            if number % PEER_BATCH == 0:
                producer.poll(0)
        producer.flush()
        return len(offsets)

    return work


def _produce_confluent(job: Job) -> Callable[[], int]:
    return _one_by_one(job, _lines(job), None)


def _batch_confluent(job: Job) -> Callable[[], int]:
    lines, producer, topic = _lines(job), _theirs(job), job["topic"]
    offsets, told = _report()

    def work() -> int:
        for first in range(0, len(lines), PEER_BATCH):
            messages = [{"value": value} for value in lines[first : first + PEER_BATCH]]
            while messages:
                producer.produce_batch(topic, messages, on_delivery=told)
                messages = [one for one in messages if "_error" in one]
                for one in messages:
                    del one["_error"]
                producer.poll(0.1 if messages else 0)
        producer.flush()
        return len(offsets)

    return work


def _rows_pinpipe(job: Job) -> Callable[[], int]:
    import pinpipe

    table = pinpipe.decode("pin", b"\n".join(_lines(job)))
    producer = _ours(job)
    return lambda: _finish([producer.produce_table(job["topic"], table)])


def _rows_confluent(job: Job) -> Callable[[], int]:
    return _one_by_one(job, [json.loads(line) for line in _lines(job)], json.dumps)


def _consume_pinpipe(job: Job) -> Callable[[], int]:
    from pinpipe import kafka

    consumer = kafka.Consumer(job["brokers"], f"ours-{time.time_ns()}", job["topic"], settings=CONSUMER)
    while not len(consumer.consume_batch(1, timeout=30)):
        pass

    def work() -> int:
        read = seen = 0
        while read < job["count"]:
            records = consumer.consume_batch(timeout=30)
            read += len(records)
            for value in records.values():
                seen += len(value or b"")
        return read

    return work


def _consume_confluent(job: Job) -> Callable[[], int]:
    import confluent_kafka

    group = {"bootstrap.servers": job["brokers"], "group.id": f"theirs-{time.time_ns()}"}
    consumer = confluent_kafka.Consumer({**group, **CONSUMER})
    consumer.subscribe([job["topic"]])
    while not consumer.consume(1, 1):
        pass

    def work() -> int:
        read = seen = 0
        while read < job["count"]:
            messages = consumer.consume(1000, 30)
            read += len(messages)
            for message in messages:
                if message.error() is None:
                    seen += len(message.value())
        return read

    return work


WAYS = {
    ("produce", "pinpipe, Arrow"): _arrow_pinpipe,
    ("produce", "pinpipe, list"): _list_pinpipe,
    ("produce", "confluent produce"): _produce_confluent,
    ("produce", "confluent produce_batch"): _batch_confluent,
    ("rows", "pinpipe"): _rows_pinpipe,
    ("rows", "confluent, json.dumps"): _rows_confluent,
    ("consume", "pinpipe"): _consume_pinpipe,
    ("consume", "confluent consume(1000)"): _consume_confluent,
}


def main() -> None:
    """One run."""
    job: Job = json.loads(sys.argv[1])
    work = WAYS[job["what"], job["who"]](job)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    before, begun = time.process_time(), time.monotonic()
    count = work()
    cpu, wall = time.process_time() - before, time.monotonic() - begun
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    peak = int(Path("/proc/self/status").read_text(encoding="ascii").split("VmHWM:")[1].split()[0])
    print(
        json.dumps({"cpu_s": cpu, "wall_s": wall, "count": count, "peak_kib": peak, "faults": faults}),
        flush=True,
    )


if __name__ == "__main__":
    main()
