"""Turns trees of keys into lists that several requests bring at once: in order, whole, with few requests more.

Never accepts a key out of place: every list is compared with the keys that were put, sorted by their bytes.
Rules: docs/s3.md, "Lists"; Amazon S3 API Reference, ListObjectsV2.
"""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pinpipe
import pytest
from gates import KEY
from servers import Store

from tests.doubles.gate import Gate

PAGE = 25
SEED = 20261121


def client_of(gate: Gate, **options: Any) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    return pinpipe.s3.Client(gate.endpoint, region="us-east-1", credentials=credentials, **options)


def fill(store: Store, bucket: str, keys: list[str]) -> list[str]:
    """Puts empty objects past the gate; the keys in the order of their bytes."""
    credentials = pinpipe.Credentials.static(store.key, store.secret)

    def put(some: list[str]) -> None:
        client = pinpipe.s3.Client(store.endpoint, region=store.region, credentials=credentials)
        for key in some:
            client.put(bucket, key, b"")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [keys[at::4] for at in range(4)]))
    return sorted(keys, key=str.encode)


def listed(client: pinpipe.s3.Client, bucket: str, prefix: str = "", **options: Any) -> list[str]:
    return [thing.key for thing in client.list(bucket, prefix, page_size=PAGE, **options)]


def requests_of(gate: Gate, client: pinpipe.s3.Client, bucket: str, prefix: str = "", **options: Any) -> int:
    before = gate.journal.requests
    listed(client, bucket, prefix, **options)
    return gate.journal.requests - before


def topics(partitions: int, each: int) -> list[str]:
    """The layout of the course's object sink."""
    return [
        f"topics/t.pin/partition={partition}/t.pin+{partition}+{number:010d}.json"
        for partition in range(partitions)
        for number in range(each)
    ]


def test_a_large_list_fans_out_in_order(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    keys = fill(versitygw, gate_bucket, topics(6, 90))
    client = client_of(gate)
    gate.faults.add("stalled", method="GET", path="partition%3D0", count=1, seconds=2.0)
    assert listed(client, gate_bucket, "topics/") == keys
    heads = [head for head in gate.journal.heads if head.method == "GET"]
    partitions = [re.search(r"prefix=topics%2Ft.pin%2Fpartition%3D(\d)", head.query) for head in heads]
    asked = [int(found[1]) for found in partitions if found]
    assert asked.count(0) == 3
    # All are asked while the first page of the first one waits.
    assert asked.index(5) < asked.index(0, asked.index(0) + 1)
    row = requests_of(gate, client, gate_bucket, "topics/", in_flight=1)
    fan = requests_of(gate, client, gate_bucket, "topics/")
    print(f"{len(keys)} keys, pages of {PAGE}: {row} requests in a row, {fan} where they fan out")
    assert row == -(-len(keys) // PAGE)
    # One page, two or three levels, then the partitions' own pages.
    assert fan <= 1 + 3 + 6 * -(-90 // PAGE)
    assert gate.journal.refused == []


def test_small_prefixes_are_not_worth_requests_of_their_own(
    gate: Gate, gate_bucket: str, versitygw: Store
) -> None:
    keys = fill(
        versitygw, gate_bucket, [f"day={day:03d}/{number}" for day in range(60) for number in range(3)]
    )
    client = client_of(gate)
    assert listed(client, gate_bucket) == keys
    fan = requests_of(gate, client, gate_bucket)
    assert fan == requests_of(gate, client, gate_bucket, in_flight=1) == -(-len(keys) // PAGE)


def test_any_tree_is_listed_whole_and_in_order(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    """Objects between prefixes, names around '/', deep trees, a first page that ends anywhere."""
    dice = random.Random(SEED)
    names = ["a", "b", "a-", "a0", "ä", "a b", "z+"]
    keys = {f"flat{number:02d}" for number in range(40)}
    while len(keys) < 500:
        depth = dice.choice([0, 1, 1, 2, 2, 3])
        folders = [dice.choice(names) for _ in range(depth)]
        keys.add("/".join([*folders, f"{dice.choice(names)}{dice.randrange(1000)}"]))
    whole = fill(versitygw, gate_bucket, sorted(keys))
    client = client_of(gate)
    for prefix in ("", "a", "a/", "a/b/", "b/a", "flat", "z"):
        wanted = [key for key in whole if key.startswith(prefix)]
        for in_flight in (1, 2, 8):
            assert listed(client, gate_bucket, prefix, in_flight=in_flight) == wanted, (prefix, in_flight)
    for start in dice.sample(whole, 12):
        wanted = [key for key in whole if key.encode() > start.encode()]
        assert listed(client, gate_bucket, start_after=start) == wanted, start
    assert gate.journal.refused == []


def test_a_list_that_is_given_up_or_broken_leaves_the_client_whole(
    gate: Gate, gate_bucket: str, versitygw: Store
) -> None:
    keys = fill(versitygw, gate_bucket, topics(5, 60))
    client = client_of(gate, attempts=1)
    for _ in range(3):
        pages = client.list(gate_bucket, "topics/", page_size=PAGE)
        assert [next(pages).key for _ in range(2 * PAGE)] == keys[: 2 * PAGE]
        pages.close()
    client.put(gate_bucket, keys[-1], b"1")
    gate.faults.add("500", method="GET", path="partition%3D3", count=1)
    assert listed(client, gate_bucket) == keys  # asked ahead, and asked again once it was wanted
    gate.faults.add("500", method="GET", path="partition%3D0", count=None)
    with pytest.raises(pinpipe.errors.ServiceError):
        listed(client, gate_bucket)
    gate.faults.clear()
    gate.faults.add("500", method="GET", path="delimiter", count=None)
    assert listed(client, gate_bucket) == keys  # page after page then
    assert b"".join(piece.data for piece in client.read(gate_bucket)) == b"1"
