"""Turns objects below s3://bucket/prefix into clean tables by `pinpipe clean` and pinpipe.clean, as a user does.

Never reads a bucket's folder on disk: all comes through the store.
Rules: CONTRACT §2 and §3; docs/s3.md, "Many objects".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pinpipe
import pinpipe.errors
import pytest
from gates import KEY
from servers import Store

from tests.doubles.gate import Gate

RECORD = {
    "index": 7528,
    "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
    "title": "No Title Data Available",
    "description": "A description",
    "poster_name": "Somebody",
    "follower_count": "12k",
    "tag_list": "a,b",
    "is_image_or_video": "image",
    "image_src": "https://images.example/a.jpg",
    "downloaded": 1,
    "save_location": "Local save in /data/mens-fashion",
    "category": "mens-fashion",
}


def line(index: int) -> bytes:
    return json.dumps({**RECORD, "index": index}).encode()


def client_of(gate: Gate, **options: Any) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    return pinpipe.s3.Client(gate.endpoint, region="us-east-1", credentials=credentials, **options)


def environment(endpoint: str, key: str, secret: str) -> dict[str, str]:
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def clean(arguments: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pinpipe", "clean", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_courses_layout_becomes_one_table(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    direct = pinpipe.s3.Client(
        versitygw.endpoint, credentials=pinpipe.Credentials.static(versitygw.key, versitygw.secret)
    )
    numbers = list(range(1300))
    for number in numbers:  # more than one page of a list; some end without a line end, some are empty
        end = b"\n" if number % 2 else b""
        direct.put(gate_bucket, f"topics/t.pin/partition=0/t.pin+0+{number:010d}.json", line(number) + end)
    direct.put(gate_bucket, "topics/t.pin/partition=0/t.pin+0+0000000500x.json", b"")
    direct.put(gate_bucket, "topics/t.pin2/partition=0/other.json", line(-1))
    table = pinpipe.clean("pin", f"s3://{gate_bucket}/topics/t.pin/", client=client_of(gate))
    assert [row["ind"] for row in table.to_pylist()] == numbers
    assert table.rejects == []
    assert gate.journal.refused == []


def test_the_program_cleans_a_prefix(gate: Gate, gate_bucket: str, tmp_path: Path) -> None:
    client = client_of(gate)
    for number in range(20):
        client.put(gate_bucket, f"topics/t/{number:02d}.json", line(number))
    client.put(gate_bucket, "topics/t/07.json", b'{"title": "no key"}')
    env = environment(gate.endpoint, KEY.key_id, KEY.secret)
    out = tmp_path / "pins.ndjson"
    done = clean(["pin", f"s3://{gate_bucket}/topics/t/", "-o", str(out), "--rejects", f"{out}.bad"], env)
    assert done.returncode == 3, done.stderr
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert [row["ind"] for row in rows] == [number for number in range(20) if number != 7]
    assert (tmp_path / "pins.ndjson.bad").read_text().count("\n") == 1


def test_rejects_name_their_object_and_the_place_in_it(gate: Gate, gate_bucket: str, tmp_path: Path) -> None:
    client = client_of(gate)
    good = b"".join(line(number) + b"\n" for number in range(3))
    for number in range(30):
        client.put(gate_bucket, f"t/{number:02d}", good)
    client.put(gate_bucket, 't/07 "ü', good + b'{"title": "no key"}\n' + good + b"no record\n")
    client.put(gate_bucket, "t/29", b"\xff")
    table = pinpipe.clean("pin", f"s3://{gate_bucket}/t/", input_format="ndjson", client=client)
    told = [(reject.source, reject.index, reject.byte_offset) for reject in table.rejects]
    odd = f's3://{gate_bucket}/t/07 "ü'
    assert told == [(odd, 3, len(good)), (odd, 7, 2 * len(good) + 20), (f"s3://{gate_bucket}/t/29", 0, 0)]
    assert table.rejects[0].data == b'{"title": "no key"}'
    assert [reject.source for reject in pinpipe.clean("pin", b"no record\n").rejects] == [""]
    env = environment(gate.endpoint, KEY.key_id, KEY.secret)
    bad, out = tmp_path / "bad.ndjson", str(tmp_path / "pins.ndjson")
    url = f"s3://{gate_bucket}/t/"
    done = clean(["pin", url, "-o", out, "--rejects", str(bad), "--input-format", "ndjson"], env)
    assert done.returncode == 3, done.stderr
    lines = [json.loads(text) for text in bad.read_text().splitlines()]
    assert [(each["source"], each["index"], each["byte_offset"]) for each in lines] == told


def test_statistics_and_expectations_of_objects_are_those_of_their_bytes(
    gate: Gate, gate_bucket: str, tmp_path: Path
) -> None:
    """Counted by the core while it decodes: small objects, one of several pieces, one that cannot be read."""
    client = client_of(gate)
    texts = [
        b"".join(line(number) + b"\n" for number in range(first, first + 40)) for first in range(0, 2000, 40)
    ]
    texts.append(b"".join(line(number) + b"\n" for number in range(2000, 32_000)))
    texts += [b"no record\n", line(40_000)]
    assert len(texts[-3]) > 8 << 20
    for number, text in enumerate(texts):
        client.put(gate_bucket, f"t/{number:03d}", text)
    whole = tmp_path / "whole.ndjson"
    whole.write_bytes(b"".join(texts))
    env = environment(gate.endpoint, KEY.key_id, KEY.secret)
    told = []
    for number, source in enumerate((f"s3://{gate_bucket}/t/", str(whole))):
        out, census = str(tmp_path / f"{number}.ndjson"), tmp_path / f"{number}.json"
        form = ["--input-format", "ndjson", "--dedupe", "ind"]
        done = clean(["pin", source, "-o", out, "--census", str(census), "--expect", "course", *form], env)
        assert done.returncode in (0, 3), done.stderr
        told.append(json.loads(census.read_text()))
    assert told[0]["statistics"] == told[1]["statistics"]
    assert told[0]["statistics"]["before"]["index"]["rows"] == 32_001
    assert told[0].get("expectations") == told[1].get("expectations")


def test_a_large_object_comes_by_ranges_within_the_buffer(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate)
    records = 60_000
    data = b"\n".join(line(number) for number in range(records))
    assert len(data) > 20 << 20
    client.put(gate_bucket, "large.ndjson", data)
    before = gate.journal.requests
    table = pinpipe.clean("pin", f"s3://{gate_bucket}/large.ndjson", client=client)
    assert table.num_rows == records
    assert gate.journal.requests - before == -(-len(data) // (8 << 20))
    whole = b"".join(piece.data for piece in client.read(gate_bucket, key="large.ndjson"))
    assert whole == data


def test_a_url_without_a_slash_is_an_object_or_a_folder(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate)
    client.put(gate_bucket, "a/b.json", line(1))
    client.put(gate_bucket, "a/c.json", line(2))
    client.put(gate_bucket, "ab", line(3))
    for url, rows in (("a", [1, 2]), ("a/", [1, 2]), ("a/b.json", [1]), ("ab", [3]), ("", [1, 2, 3])):
        table = pinpipe.clean("pin", f"s3://{gate_bucket}/{url}", client=client)
        assert [row["ind"] for row in table.to_pylist()] == rows, url


def test_what_is_wrong_names_bucket_and_key(gate: Gate, gate_bucket: str, tmp_path: Path) -> None:
    client = client_of(gate, attempts=2)
    with pytest.raises(pinpipe.errors.NotFoundError, match=f"s3://{gate_bucket}/nothing/"):
        pinpipe.clean("pin", f"s3://{gate_bucket}/nothing/", client=client)
    with pytest.raises(pinpipe.errors.NotFoundError, match="s3://no-such-bucket-here"):
        pinpipe.clean("pin", "s3://no-such-bucket-here/x/", client=client)
    for number in range(8):
        client.put(gate_bucket, f"t/{number}", line(number))
    gate.faults.add("500", method="GET", path="/t/5", count=None)
    with pytest.raises(pinpipe.Error, match=f"s3://{gate_bucket}/t/5: InternalError"):
        pinpipe.clean("pin", f"s3://{gate_bucket}/t/", client=client)
    gate.faults.clear()
    client.put(gate_bucket, "u/odd", b"no,such,header\n1,2,3\n")
    with pytest.raises(pinpipe.Error, match=f"s3://{gate_bucket}/u/odd"):
        pinpipe.clean("pin", f"s3://{gate_bucket}/u/", input_format="csv", client=client)
    env = environment(gate.endpoint, KEY.key_id, KEY.secret)
    done = clean(["pin", f"s3://{gate_bucket}/none/", "-o", str(tmp_path / "x.csv")], env)
    assert done.returncode == 1
    assert f"s3://{gate_bucket}/none/" in done.stderr
    assert not (tmp_path / "x.csv").exists()


def test_faults_on_the_way_change_no_row(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate, attempts=8)
    for number in range(200):
        client.put(gate_bucket, f"t/{number:04d}", line(number))
    for fault in ("500", "reset-before", "reset-in-reply", "truncated", "lost-reply"):
        gate.faults.add(fault, method="GET", path="/t/", count=None, probability=0.03, at_bytes=100)
    table = pinpipe.clean("pin", f"s3://{gate_bucket}/t/", client=client)
    assert [row["ind"] for row in table.to_pylist()] == list(range(200))
    assert gate.journal.faults
    assert gate.journal.refused == []
