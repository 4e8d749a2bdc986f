"""Turns aggregates of `pinpipe.kinesis.Producer` into what Amazon's own Kinesis Client Library reads, and the reverse.

Never has this repository's code on both sides: the published jar reads, or writes.
Rules: amazon-kinesis-producer, aggregation-format.md; docs/kinesis.md, "Aggregates".
"""

from __future__ import annotations

import base64
import subprocess
from collections import Counter
from pathlib import Path

from kinesis_aggregates import MAGIC
from kinesis_servers import gate_before
from maven import jars, program
from pinpipe import kinesis
from test_kinesis_client import stream
from test_kinesis_producer import CREDENTIALS, KEYS, producer

KCL = ("software.amazon.kinesis:amazon-kinesis-client:3.5.1", "org.slf4j:slf4j-nop:2.0.17")
SOURCE = Path(__file__).with_name("Aggregates.java")
HASH_LAST = (1 << 128) - 1
# What AggregatorUtil is given: first and last hash key of the shard, the record's partition key and data.
Line = tuple[int, int, str, bytes]
# What it makes of it: partition key, explicit hash key, data.
Found = list[tuple[str, str | None, bytes]]


def run(what: str, text: str) -> list[str]:
    """The lines that the Java program answers."""
    command = [program("java", "to run the KCL"), "-cp", f"{jars('kcl', *KCL)}/*", str(SOURCE), what]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def read_by_kcl(lines: list[Line]) -> list[Found]:
    """Of each line what the library yields."""
    text = "".join(
        f"{first}\t{last}\t{key}\t{base64.b64encode(data).decode()}\n" for first, last, key, data in lines
    )
    found: list[Found] = []
    for line in run("read", text):
        parts = line.split("\t") if line else []
        found.append(
            [
                (key, None if told == "-" else told, base64.b64decode(data))
                for key, told, data in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
            ]
        )
    assert len(found) == len(lines)
    return found


def packed_by_kcl(aggregates: list[Found]) -> list[bytes]:
    """Each list of records as one aggregate."""
    text = ""
    for records in aggregates:
        parts = [f"{key}\t{told or '-'}\t{base64.b64encode(data).decode()}" for key, told, data in records]
        text += "\t".join(parts) + "\n"
    return [base64.b64decode(line) for line in run("write", text)]


def lines_of(client: kinesis.Client, name: str) -> list[Line]:
    """Every record of the stream, with the hash keys of the shard that it lies in."""
    lines: list[Line] = []
    for shard in client.shards(name):
        page = client.get(client.iterator(name, shard.id))
        lines += [
            (int(shard.first_hash), int(shard.last_hash), record.partition_key, record.data)
            for record in page.records
        ]
    return lines


def test_keys_hash_keys_and_data(kinesalite: str) -> None:
    with gate_before(kinesalite) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        with stream(client, 3) as name:
            sent: list[tuple[str, str | None, bytes]] = []
            with producer(gate, name, aggregate_bytes=4000) as into:
                for number in range(600):
                    told = str(number * (HASH_LAST // 600)) if number % 3 == 0 else None
                    key = KEYS[number % len(KEYS)] + "\u00e9" * (number % 2)
                    record = (key, told, b"%06d" % number + bytes(range(number % 256)))
                    into.write(record[2], record[0], hash_key=told)
                    sent.append(record)
                into.flush()
                assert into.counters["sent"] < 100
            lines = lines_of(client, name)
            found = read_by_kcl(lines)
            # A batch of one goes as it is, and a plain record's hash key is not to be read: where it lies tells it.
            plain = {data: (first, last) for first, last, _, data in lines if not data.startswith(MAGIC)}
            for _, told, data in sent:
                assert told is None or data not in plain or plain[data][0] <= int(told) <= plain[data][1]
            told_of = [(key, None if data in plain else told, data) for key, told, data in sent]
            assert Counter(record for each in found for record in each) == Counter(told_of)
            assert len(plain) < 20
            # Of half of its hash keys a reader drops an aggregate whole, if one record is beyond: so shards matter.
            halves = read_by_kcl(
                [(first, (first + last) // 2, key, data) for first, last, key, data in lines]
            )
            assert any(whole and not half for whole, half in zip(found, halves, strict=True))


def test_nothing_is_dropped_after_a_reshard(kinesis_local: str) -> None:
    """Elsewhere aggregates of a shard that was split meanwhile are lost: a reader of either child drops them."""
    with gate_before(kinesis_local) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        with stream(client, 1) as name:
            into = producer(gate, name, linger=0.05, aggregate_bytes=4000)
            for part in range(3):
                for number in range(200 * part, 200 * part + 200):
                    into.write(b"%06d" % number, KEYS[number % len(KEYS)])
                into.flush()
                open_shards = [shard for shard in client.shards(name) if shard.last_sequence is None]
                if part == 0:
                    client.split_shard(name, open_shards[0].id, str(1 << 127))
                elif part == 1:
                    client.merge_shards(name, open_shards[0].id, open_shards[1].id)
            assert into.counters["strayed"] > 0
            found = read_by_kcl(lines_of(client, name))
            assert {int(data) for each in found for _, _, data in each} == set(range(600))


def test_what_the_kcl_packs_is_read(kinesalite: str) -> None:
    sent: list[Found] = [
        [
            (
                KEYS[(number + at) % len(KEYS)] + "\u00e9" * (at % 2),
                str(at * 7) if at % 3 == 0 else None,
                b"%03d-%03d" % (number, at) + bytes(range(at)),
            )
            for at in range(1, 60)
        ]
        for number in range(20)
    ]
    with gate_before(kinesalite) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        with stream(client, 1) as name:
            for data in packed_by_kcl(sent):
                client.put(name, data, "a")
            got: list[tuple[str, str | None, bytes]] = []
            with kinesis.Consumer(name, gate.endpoint, credentials=CREDENTIALS, idle=0.1) as consumer:
                while len(got) < 20 * 59:
                    records = consumer.consume_batch(timeout=20.0).records()
                    assert records
                    got += [(record.partition_key, record.hash_key, record.data) for record in records]
    assert got == [record for records in sent for record in records]
