"""Turns large objects and conditional writes into ranges, parts and lost answers, judged by the strict gate.

Never accepts an object that is torn, lost or a stranger's.
Rules: docs/s3.md; issue list "It must show": kill -9, one winner, 0 objects lost or torn.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pinpipe
import pinpipe.errors
import pytest
from botocore.config import Config
from gates import KEY, TlsGate, backend_of
from servers import Store, run_versitygw

from tests.doubles import checksums
from tests.doubles.certificate import make_certificate
from tests.doubles.gate import Gate
from tests.doubles.wire import Head

MIB = 1 << 20
PART = 8 * MIB


def client_of(gate: Gate, **options: Any) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    return pinpipe.s3.Client(gate.endpoint, region="us-east-1", credentials=credentials, **options)


def direct_of(store: Store, **options: Any) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static(store.key, store.secret)
    return pinpipe.s3.Client(store.endpoint, region=store.region, credentials=credentials, **options)


def parts_put(gate: Gate) -> list[int]:
    """Part numbers of the accepted part writes, in order."""
    queries = [write.query for write in gate.journal.writes if "partNumber=" in write.query]
    return [int(query.split("partNumber=")[1].split("&")[0]) for query in queries]


def test_an_object_of_ranges_is_one_version(gate: Gate, gate_bucket: str) -> None:
    client, data = client_of(gate, part_bytes=5 * MIB), os.urandom(23 * MIB)
    client.put(gate_bucket, "k", data)
    before = gate.journal.requests
    assert client.get(gate_bucket, "k") == data
    assert gate.journal.requests - before == 5
    buffer = bytearray(24 * MIB)
    assert client.get_into(gate_bucket, "k", buffer) == len(data)
    assert buffer[: len(data)] == data
    with pytest.raises(pinpipe.Error) as caught:
        client.get_into(gate_bucket, "k", bytearray(MIB))
    assert caught.value.status == "ELIMIT"
    assert gate.journal.refused == []


@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1])
def test_sizes_at_the_borders(gate: Gate, gate_bucket: str, size: int) -> None:
    client, data = client_of(gate, part_bytes=5 * MIB), os.urandom(size)
    client.upload(gate_bucket, "k", data)
    assert client.get(gate_bucket, "k") == data
    assert b"".join(piece.data for piece in client.read(gate_bucket, key="k")) == data
    assert [piece.object.size for piece in client.read(gate_bucket, "k")][:1] == [size]
    assert gate.journal.refused == []


@pytest.mark.parametrize("fault", ["truncated", "reset-in-reply"])
def test_a_cut_reply_goes_on_where_it_was_cut(gate: Gate, gate_bucket: str, fault: str) -> None:
    client, data = client_of(gate), os.urandom(6 * MIB)
    client.put(gate_bucket, "k", data)
    gate.faults.add(fault, method="GET", at_bytes=4 * MIB, count=1)
    assert client.get(gate_bucket, "k") == data
    assert gate.journal.faults == [fault]
    assert gate.journal.refused == []


def test_an_object_that_changes_while_it_is_read_is_told(
    gate: Gate, gate_bucket: str, versitygw: Store
) -> None:
    client, data = client_of(gate, attempts=3), os.urandom(4 * MIB)
    client.put(gate_bucket, "k", data)
    gate.faults.add("reset-in-reply", method="GET", at_bytes=2 * MIB)
    gate.faults.add("delayed", method="GET", first=2, seconds=1.0)
    change = threading.Timer(0.5, lambda: direct_of(versitygw).put(gate_bucket, "k", b"x" * (4 * MIB)))
    change.start()
    with pytest.raises(pinpipe.Error) as caught:
        client.get(gate_bucket, "k")
    change.join()
    assert caught.value.status == "ECONFLICT"


def test_parts_go_at_once_and_make_one_object(gate: Gate, gate_bucket: str, tmp_path: Path) -> None:
    client, data = client_of(gate, part_bytes=5 * MIB), os.urandom(22 * MIB)
    (tmp_path / "file").write_bytes(data)
    client.upload(gate_bucket, "memory", data)
    client.upload(gate_bucket, "path", tmp_path / "file")
    with (tmp_path / "file").open("rb") as file:
        client.upload(gate_bucket, "file", file)
    with client.upload(gate_bucket, "pieces") as upload:
        for at in range(0, len(data), 777_777):
            upload.write(data[at : at + 777_777])
    for key in ("memory", "path", "file", "pieces"):
        assert client.get(gate_bucket, key) == data, key
    assert sorted(parts_put(gate)) == sorted([1, 2, 3, 4, 5] * 4)
    assert gate.journal.refused == []


@pytest.mark.parametrize("checksum", ["crc32c", "crc64nvme"])
def test_checksums_go_with_the_bytes(gate: Gate, tls_gate: TlsGate, gate_bucket: str, checksum: Any) -> None:
    secure = client_of(
        tls_gate.gate, ca_file=tls_gate.certificate.file, checksum=checksum, part_bytes=5 * MIB
    )
    plain = client_of(gate, checksum=checksum, part_bytes=5 * MIB)
    for client, running in ((plain, gate), (secure, tls_gate.gate)):
        for size in (0, 1, 300_000, 11 * MIB):
            data = os.urandom(size)
            client.upload(gate_bucket, f"{size}", data)
            assert client.get(gate_bucket, f"{size}") == data
        heads = [head for head in running.journal.heads if head.method == "PUT"]
        assert running.journal.refused == []
        framing = {framing_of(head) for head in heads}
        kind = "UNSIGNED-PAYLOAD" if running.endpoint.startswith("https") else "AWS4-HMAC-SHA256-PAYLOAD"
        assert framing == {("", f"x-amz-checksum-{checksum}"), (f"STREAMING-{kind}-TRAILER", "")}


def framing_of(head: Head) -> tuple[str, str]:
    """How a body's checksum came: the streamed payload, or the header's name."""
    payload = head.value("x-amz-content-sha256")
    told = next((name.lower() for name, _ in head.headers if name.lower().startswith("x-amz-checksum-")), "")
    trailer = head.value("x-amz-trailer")
    assert bool(told) != bool(trailer) and bool(trailer) == payload.startswith("STREAMING-")
    return (payload if trailer else "", told)


@pytest.mark.parametrize("checksum", ["crc32c", "crc64nvme"])
def test_a_trailer_that_does_not_fit_the_bytes_is_refused(
    tls_gate: TlsGate, gate_bucket: str, checksum: Any
) -> None:
    """A byte that changes on its way behind TLS, where no signature looks at it."""
    client = client_of(tls_gate.gate, ca_file=tls_gate.certificate.file, checksum=checksum, attempts=1)
    data = bytearray(os.urandom(3 * MIB))
    tls_gate.gate.faults.add("flipped-in-body", method="PUT", count=1)
    with pytest.raises(pinpipe.errors.RefusedError, match="BadDigest"):
        client.put(gate_bucket, "k", data)
    with pytest.raises(pinpipe.errors.NotFoundError):
        client.head(gate_bucket, "k")
    client.put(gate_bucket, "k", data)
    assert client.get(gate_bucket, "k") == data
    again = client_of(tls_gate.gate, ca_file=tls_gate.certificate.file, checksum=checksum)
    tls_gate.gate.faults.add("reset-in-body", method="PUT", count=1)
    again.put(gate_bucket, "k2", data)
    assert again.get(gate_bucket, "k2") == data


def test_what_is_read_is_what_was_stored(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    """A byte that changes in the reply: the store's CRC, of any writer, tells, and the answer is asked for again."""
    data, boto = os.urandom(700_000), boto_of(versitygw)
    client_of(gate, checksum="crc64nvme").put(gate_bucket, "by/0", data)
    client_of(gate, checksum="crc32c").put(gate_bucket, "by/1", data)
    boto.put_object(Bucket=gate_bucket, Key="by/2", Body=data, ChecksumAlgorithm="CRC32")
    client, once, unasked = client_of(gate), client_of(gate, attempts=1), client_of(gate, validation="none")
    for number, name in enumerate(("crc64nvme", "crc32c", "crc32")):
        key = f"by/{number}"
        gate.faults.add("flipped-in-reply", method="GET", path=f"/{key}", at_bytes=699_999)
        assert client.get(gate_bucket, key) == data
        gate.faults.add("flipped-in-reply", method="GET", path=f"/{key}", at_bytes=5)
        with pytest.raises(pinpipe.errors.NetworkError, match=f"s3://.*/{key}: .*checksum-{name} of them is"):
            once.get(gate_bucket, key)
        gate.faults.add("flipped-in-reply", method="GET", path=f"/{key}", at_bytes=5)
        assert unasked.get(gate_bucket, key) != data
    gate.faults.add("flipped-in-reply", method="GET", path="/by/1", at_bytes=400_000)
    read = b"".join(piece.data for piece in client.read(gate_bucket, "by/"))
    assert read == 3 * data
    gate.faults.add("reset-in-reply", method="GET", path="/by/0", at_bytes=300_000)
    assert client.get(gate_bucket, "by/0") == data  # the CRC goes on where the bytes do
    assert gate.journal.refused == []


def test_a_checksum_that_never_fits_ends(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate, checksum="crc32c")
    client.put(gate_bucket, "k", os.urandom(300_000))
    gate.faults.add("flipped-in-reply", method="GET", count=None, at_bytes=7)
    before = gate.journal.requests
    with pytest.raises(pinpipe.errors.NetworkError, match="not those that were stored"):
        client.get(gate_bucket, "k")
    assert gate.journal.requests - before == 3


def test_checksums_of_parts_are_left_alone(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    boto, data = boto_of(versitygw), os.urandom(6 * MIB)
    made = boto.create_multipart_upload(Bucket=gate_bucket, Key="k", ChecksumAlgorithm="CRC32")
    name = {"Bucket": gate_bucket, "Key": "k", "UploadId": made["UploadId"]}
    parts = []
    for number, piece in enumerate((data[: 5 * MIB], data[5 * MIB :]), 1):
        put = boto.upload_part(**name, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32")
        parts.append({key: put[key] for key in ("ETag", "ChecksumCRC32")} | {"PartNumber": number})
    boto.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    assert boto.head_object(Bucket=gate_bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"].endswith(
        "-2"
    )
    assert client_of(gate).get(gate_bucket, "k") == data
    assert next(piece.object.key for piece in client_of(gate).read(gate_bucket)) == "k"


@pytest.mark.parametrize("checksum", ["crc32c", "crc64nvme"])
def test_trailers_are_what_another_client_reads(tmp_path: Path, checksum: Any) -> None:
    """The strict store itself over TLS, without the gate."""
    certificate = make_certificate(tmp_path)
    with run_versitygw(tmp_path / "store", certificate) as store:
        client = direct_of(store, ca_file=certificate.file, checksum=checksum, part_bytes=5 * MIB)
        client.create_bucket("bucket")
        for size in (300_000, 3 * MIB, 11 * MIB):
            data = os.urandom(size)
            client.upload("bucket", "k", data)
            got = boto_of(store, certificate.file).get_object(
                Bucket="bucket", Key="k", ChecksumMode="ENABLED"
            )
            told = got[f"Checksum{checksum.upper()}"]
            summed = checksums.new(checksum)
            summed.update(data)
            assert told.endswith("-3") or told == checksums.text(summed)
            assert got["Body"].read() == data
            assert client.get("bucket", "k") == data


def test_an_upload_that_is_given_up_leaves_nothing(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    client = client_of(gate, part_bytes=5 * MIB)
    with pytest.raises(RuntimeError), client.upload(gate_bucket, "k") as upload:
        upload.write(os.urandom(11 * MIB))
        raise RuntimeError("the caller gives up")
    listed = boto_of(versitygw).list_multipart_uploads(Bucket=gate_bucket)
    assert listed.get("Uploads", []) == []
    with pytest.raises(pinpipe.errors.NotFoundError):
        client.head(gate_bucket, "k")


def test_orphans_are_swept_by_age(gate: Gate, gate_bucket: str, versitygw: Store) -> None:
    client, boto = client_of(gate), boto_of(versitygw)
    for key in ("a/1", "a/ключ &<>", "b/1"):
        boto.create_multipart_upload(Bucket=gate_bucket, Key=key)
    assert client.clear_uploads(gate_bucket, "a/", age=timedelta(hours=1)) == 0
    time.sleep(1.1)  # the store tells whole seconds
    assert client.clear_uploads(gate_bucket, "a/", age=timedelta(0)) == 2
    left = boto.list_multipart_uploads(Bucket=gate_bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["b/1"]
    assert client.clear_uploads(gate_bucket, age=timedelta(0)) == 1
    assert gate.journal.refused == []


CHILD = """
import sys, pinpipe
endpoint, bucket, path, journal = sys.argv[1:]
client = pinpipe.s3.Client(endpoint, region="us-east-1", part_bytes=5 << 20, in_flight=2)
print("begun", flush=True)
client.upload(bucket, "large", path, journal=journal)
print("done", flush=True)
"""


def test_an_upload_killed_in_the_middle_goes_on(gate: Gate, gate_bucket: str, tmp_path: Path) -> None:
    data, parts = os.urandom(58 * MIB), 12
    path, journal = tmp_path / "file", tmp_path / "journal"
    path.write_bytes(data)
    command = [sys.executable, "-c", CHILD, gate.endpoint, gate_bucket, str(path), str(journal)]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY.key_id, "AWS_SECRET_ACCESS_KEY": KEY.secret}
    gate.faults.add("delayed", method="PUT", seconds=0.2, count=None)
    child = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 30
    while len(parts_put(gate)) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    assert journal.exists()
    before = len(parts_put(gate))
    assert 4 <= before < parts
    gate.faults.clear()
    time.sleep(0.5)  # what the gate had taken whole goes to the store
    sent_before = len(parts_put(gate))
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0
    assert not journal.exists()
    assert client_of(gate).get(gate_bucket, "large") == data
    again = len(parts_put(gate)) - sent_before
    assert again == parts - len(set(parts_put(gate)[:sent_before]))
    # The gate may have seen the dead child's last bodies end too soon.
    assert {refused.code for refused in gate.journal.refused} <= {"IncompleteBody"}


def test_a_journal_of_other_bytes_sends_them(gate: Gate, gate_bucket: str, tmp_path: Path) -> None:
    client, journal = client_of(gate, part_bytes=5 * MIB), tmp_path / "journal"
    first, second = os.urandom(11 * MIB), os.urandom(11 * MIB)
    upload = client.upload(gate_bucket, "k", journal=journal)
    upload.write(first)
    upload.close()
    assert journal.exists()
    client.upload(gate_bucket, "k", second, journal=journal)
    assert client.get(gate_bucket, "k") == second
    assert not journal.exists()


COMPLETE = {"method": "POST", "path": "uploadId="}


@pytest.mark.parametrize("fault", ["lost-reply", "200-error", "500", "503", "reset-before"])
@pytest.mark.parametrize("condition", [None, "*"])
def test_a_complete_outlives_one_fault(gate: Gate, gate_bucket: str, fault: str, condition: Any) -> None:
    client, data = client_of(gate, part_bytes=5 * MIB), os.urandom(11 * MIB)
    gate.faults.add(fault, **COMPLETE)
    client.upload(gate_bucket, "k", data, if_none_match=condition)
    assert gate.journal.faults == [fault]
    assert client.get(gate_bucket, "k") == data


def test_a_conditional_put_knows_its_own_object(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate)
    client.put(gate_bucket, "warm", b"x")
    gate.faults.add("lost-reply", method="PUT", path="/own")
    client.put(gate_bucket, "own", b"mine", if_none_match="*")
    gate.faults.add("lost-reply", method="PUT", path="/own")
    etag = client.head(gate_bucket, "own").etag
    client.put(gate_bucket, "own", b"changed", if_match=etag)
    with pytest.raises(pinpipe.errors.ConflictError):
        client.put(gate_bucket, "own", b"again", if_match=etag)
    with pytest.raises(pinpipe.errors.ConflictError):
        client.put(gate_bucket, "own", b"changed", if_none_match="*")
    assert client.get(gate_bucket, "own") == b"changed"
    gate.faults.add("409", method="PUT", path="/passing")
    client.put(gate_bucket, "passing", b"1", if_none_match="*")
    assert client.get(gate_bucket, "passing") == b"1"


def test_a_conflict_without_a_code_passes(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate)
    client.put(gate_bucket, "held", b"four")
    gate.faults.add("409", method="HEAD", path="/held")
    assert client.head(gate_bucket, "held").size == 4
    gate.faults.add("409", method="HEAD", path="/held", count=None)
    with pytest.raises(pinpipe.errors.ServiceError) as caught:
        client.head(gate_bucket, "held")
    assert caught.value.retryable
    assert "held: refused (HTTP 409)" in caught.value.message


def test_eight_writers_race_and_one_wins(gate: Gate, gate_bucket: str) -> None:
    gate.faults.add("lost-reply", method="PUT", count=None, probability=0.1)
    gate.faults.add("409", method="PUT", count=None, probability=0.1)
    for turn in range(10):
        won: list[int] = []
        lost: list[int] = []
        start = threading.Barrier(8)

        def race(number: int, key: str, begin: Any = start, winners: Any = won, losers: Any = lost) -> None:
            client = client_of(gate, attempts=10)
            begin.wait()
            try:
                client.put(gate_bucket, key, f"{number}", if_none_match="*")
                winners.append(number)
            except pinpipe.errors.ConflictError:
                losers.append(number)

        threads = [threading.Thread(target=race, args=(number, f"race/{turn}")) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 7)
        assert client_of(gate, attempts=10).get(gate_bucket, f"race/{turn}") == f"{won[0]}".encode()


@pytest.mark.parametrize("redirect", ["wrong-region", "redirect"])
def test_a_buckets_region_is_learnt_once(versitygw: Store, gate_bucket: str, redirect: str) -> None:
    where = {gate_bucket: "eu-west-1"}
    with Gate(backend_of(versitygw), keys=[KEY], bucket_regions=where, redirect=redirect) as gate:
        client = client_of(gate)
        client.put(gate_bucket, "k", b"1")
        assert len(gate.journal.refused) == 1
        assert client.get(gate_bucket, "k") == b"1"
        assert client.head(gate_bucket, "k").size == 1
        assert [thing.key for thing in client.list(gate_bucket)] == ["k"]
        assert len(gate.journal.refused) == 1
        fresh = client_of(gate)
        assert fresh.head(gate_bucket, "k").size == 1
        assert len(gate.journal.refused) == 2


def test_many_are_deleted_by_few_requests(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate)
    keys = [f"d/{number}" for number in range(40)] + ["d/a&b<c>\"d'", "d/ключ", "d/tab\there"]
    for key in keys:
        client.put(gate_bucket, key, b"x")
    before = gate.journal.requests
    client.delete_many(gate_bucket, keys)
    assert gate.journal.requests == before + 1
    assert list(client.list(gate_bucket, "d/")) == []
    client.delete_many(gate_bucket, [])
    assert gate.journal.refused == []


def test_wishes_go_with_the_requests(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate, encryption="AES256", request_payer="requester", expected_owner="123456789012")
    try:
        client.put(gate_bucket, "k", b"x")
    except pinpipe.Error as error:
        assert error.status in ("EAUTH", "EREFUSED")  # the store may know another owner
    head = gate.journal.heads[-1]
    assert head.value("x-amz-server-side-encryption") == "AES256"
    assert head.value("x-amz-request-payer") == "requester"
    assert head.value("x-amz-expected-bucket-owner") == "123456789012"
    assert gate.journal.refused == []


def boto_of(store: Store, certificate: Path | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        region_name=store.region,
        aws_access_key_id=store.key,
        aws_secret_access_key=store.secret,
        verify=str(certificate) if certificate else None,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def exchange(store: Store, bucket: str, certificate: Path | None) -> None:
    """boto3 reads what we wrote, and the reverse."""
    ours, theirs = direct_of(store, ca_file=certificate, part_bytes=5 * MIB), boto_of(store, certificate)
    data = os.urandom(17 * MIB)
    for key in ("plain", "a b+c=d&e/ключ"):
        ours.put(bucket, key, data[:1000])
        ours.upload(bucket, f"{key}.large", data)
        assert theirs.get_object(Bucket=bucket, Key=key)["Body"].read() == data[:1000]
        assert theirs.get_object(Bucket=bucket, Key=f"{key}.large")["Body"].read() == data
        theirs.put_object(Bucket=bucket, Key=f"{key}.theirs", Body=data)
        assert ours.get(bucket, f"{key}.theirs") == data
        assert b"".join(piece.data for piece in ours.read(bucket, key=f"{key}.theirs")) == data
    seen = [thing["Key"] for thing in theirs.list_objects_v2(Bucket=bucket)["Contents"]]
    assert [thing.key for thing in ours.list(bucket)] == seen
    ours.delete_many(bucket, seen)
    assert "Contents" not in theirs.list_objects_v2(Bucket=bucket)


def test_boto3_reads_what_we_wrote_and_the_reverse(versitygw: Store, gate_bucket: str) -> None:
    exchange(versitygw, gate_bucket, None)


def test_the_same_over_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with run_versitygw(tmp_path / "store", certificate) as store:
        direct_of(store, ca_file=certificate.file).create_bucket("over-tls")
        exchange(store, "over-tls", certificate.file)


def test_large_objects_over_tls_through_the_gate(tls_gate: TlsGate, gate_bucket: str) -> None:
    client, data = client_of(tls_gate.gate, ca_file=tls_gate.certificate.file), os.urandom(17 * MIB)
    client.upload(gate_bucket, "k", data)
    assert client.get(gate_bucket, "k") == data
    assert tls_gate.gate.journal.refused == []


def test_memory_is_flat_over_many_objects(versitygw: Store, gate_bucket: str) -> None:
    client = direct_of(versitygw)
    for number in range(500):
        client.put(gate_bucket, f"m/{number:04d}", os.urandom(2000))
    resident: list[int] = []
    for _ in range(20):  # 10,000 objects
        assert sum(1 for _ in client.read(gate_bucket, "m/")) == 500
        resident.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert resident[-1] - resident[2] < 2048  # KiB


def is_done(call: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    """False where the call was told to be worth repeating."""
    try:
        call(*arguments, **options)
    except pinpipe.Error as error:
        if not error.retryable:
            raise
        return False
    return True


def insist(call: Callable[..., Any], *arguments: Any) -> Any:
    """The call's answer, however often it takes while it is told to be worth repeating."""
    for _ in range(99):
        try:
            return call(*arguments)
        except pinpipe.Error as error:
            if not error.retryable:
                raise
    return call(*arguments)


@pytest.mark.soak
def test_no_object_is_lost_or_torn(gate: Gate, gate_bucket: str, soak_share: float) -> None:
    """Writes, uploads and reads under drawn faults until so many have been played.

    One request in three meets one, so that a client's retry quota runs dry: the call is then told to its caller, who
    repeats it.
    """
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"soak: drawn with seed {seed}")
    drawn, wanted = random.Random(seed), int(1000 * soak_share)
    breaks = (
        "500",
        "503",
        "unavailable",
        "429",
        "request-timeout",
        "reset-before",
        "reset-in-body",
        "reset-after",
    )
    for fault in (*breaks, "lost-reply", "409"):
        gate.faults.add(fault, method="PUT|POST", count=None, probability=0.04, at_bytes=1000)
    for fault in (*breaks[:6], "lost-reply", "truncated", "reset-in-reply"):
        gate.faults.add(fault, method="GET|HEAD", count=None, probability=0.04, at_bytes=1000)
    kept: dict[str, bytes] = {}
    lock, failures = threading.Lock(), list[BaseException]()

    def work(number: int, choice: random.Random) -> None:
        client = client_of(gate, attempts=20, part_bytes=5 * MIB, timeout=120)
        try:
            for turn in range(100_000):
                if len(gate.journal.faults) >= wanted:
                    return
                key, size = f"{number}/{turn:05d}", choice.choice([0, 1, 2_000, 200_000])
                data = choice.randbytes(size)
                store, condition = client.put, choice.choice([None, "*"])
                if turn % 25 == 24:
                    store, data = client.upload, choice.randbytes(5 * MIB + size)
                if not is_done(store, gate_bucket, key, data, if_none_match=condition):
                    insist(store, gate_bucket, key, data)  # that call's outcome is unknown: no condition
                assert insist(client.get, gate_bucket, key) == data
                with lock:
                    kept[key] = hashlib.sha256(data).digest()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n, random.Random(drawn.random()))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(gate.journal.faults) >= wanted
    gate.faults.clear()
    found: dict[str, Any] = {}
    for piece in client_of(gate).read(gate_bucket):
        found.setdefault(piece.object.key, hashlib.sha256()).update(piece.data)
    assert {key: summed.digest() for key, summed in found.items()} == kept
    assert gate.journal.refused == []
