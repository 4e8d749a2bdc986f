"""One run of one way to read or write objects, in a process of its own: a line of JSON with CPU seconds and a hash.

Never counts imports, the making of a client or its first connection.
Rules: docs/performance.md, "Objects of a store".

    python peer_s3.py JOB    JOB is JSON: who, what, endpoint, key, secret, ca_file, bucket, prefix, rounds
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

THREADS = 16
MIB = 1 << 20
Job = dict[str, Any]


def _boto(job: Job) -> Any:
    import boto3
    from botocore.config import Config

    # The store breaks a kept connection after trailers; without them boto3 has less to do.
    config = Config(
        s3={"addressing_style": "path"},
        max_pool_connections=THREADS,
        proxies={},
        request_checksum_calculation="when_required",
    )
    return boto3.client(
        "s3",
        endpoint_url=job["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=job["key"],
        aws_secret_access_key=job["secret"],
        verify=job["ca_file"],
        config=config,
    )


def _pinpipe(job: Job, checksum: Any = "auto") -> Any:
    import pinpipe

    credentials = pinpipe.Credentials.static(job["key"], job["secret"])
    return pinpipe.s3.Client(
        job["endpoint"], credentials=credentials, ca_file=job["ca_file"], checksum=checksum
    )


def _many_boto3(job: Job) -> Callable[[], Iterable[bytes]]:
    client, bucket = _boto(job), job["bucket"]

    def work() -> Iterable[bytes]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=job["prefix"])
        keys = [thing["Key"] for page in pages for thing in page.get("Contents", [])]
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read(), keys))

    return work


def _many_s3fs(job: Job) -> Callable[[], Iterable[bytes]]:
    import s3fs

    system = s3fs.S3FileSystem(
        key=job["key"], secret=job["secret"], client_kwargs={"endpoint_url": job["endpoint"]}
    )

    def work() -> Iterable[bytes]:
        keys = sorted(system.find(f"{job['bucket']}/{job['prefix']}"))
        found = system.cat(keys)
        return [found[key] for key in keys]

    return work


def _many_pyarrow(job: Job) -> Callable[[], Iterable[bytes]]:
    from pyarrow import fs

    scheme, _, host = job["endpoint"].partition("://")
    system = fs.S3FileSystem(
        access_key=job["key"],
        secret_key=job["secret"],
        endpoint_override=host,
        scheme=scheme,
        region="us-east-1",
    )

    def read(path: str) -> bytes:
        with system.open_input_stream(path) as stream:
            return bytes(stream.read())

    def work() -> Iterable[bytes]:
        chosen = fs.FileSelector(f"{job['bucket']}/{job['prefix']}", recursive=True)
        keys = sorted(info.path for info in system.get_file_info(chosen) if info.is_file)
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(read, keys))

    return work


def _many_pinpipe(job: Job) -> Callable[[], Iterable[bytes]]:
    client = _pinpipe(job)
    return lambda: [piece.data for piece in client.read(job["bucket"], job["prefix"])]


def _clean_pinpipe(job: Job) -> Callable[[], Iterable[bytes]]:
    import pinpipe

    client, url = _pinpipe(job), f"s3://{job['bucket']}/{job['prefix']}"
    return lambda: [str(pinpipe.clean("pin", url, client=client).num_rows).encode()]


def _large(job: Job) -> bytes:
    return hashlib.shake_128(b"a large object").digest(job["size"])


def _put_boto3(job: Job) -> Callable[[], Iterable[bytes]]:
    client, data = _boto(job), _large(job)

    def work() -> Iterable[bytes]:
        client.upload_fileobj(io.BytesIO(data), job["bucket"], "large-boto3")
        return []

    return work


def _get_boto3(job: Job) -> Callable[[], Iterable[bytes]]:
    client = _boto(job)

    def work() -> Iterable[bytes]:
        client.download_file(job["bucket"], "large", os.devnull)
        return []

    return work


def _put_pinpipe(job: Job) -> Callable[[], Iterable[bytes]]:
    _, _, checksum = job["what"].partition("-")
    client, data = _pinpipe(job, checksum or "auto"), _large(job)

    def work() -> Iterable[bytes]:
        client.upload(job["bucket"], "large-pinpipe", data)
        return []

    return work


def _get_pinpipe(job: Job) -> Callable[[], Iterable[bytes]]:
    client, buffer = _pinpipe(job), bytearray(job["size"])

    def work() -> Iterable[bytes]:
        client.get_into(job["bucket"], "large", buffer)
        return []

    return work


def _read_pinpipe(job: Job) -> Callable[[], Iterable[bytes]]:
    client = _pinpipe(job)

    def work() -> Iterable[bytes]:
        for _ in client.read(job["bucket"], key="large"):
            pass
        return []

    return work


WAYS = {
    ("many", "boto3"): _many_boto3,
    ("many", "s3fs"): _many_s3fs,
    ("many", "pyarrow"): _many_pyarrow,
    ("many", "pinpipe"): _many_pinpipe,
    ("clean", "pinpipe"): _clean_pinpipe,
    ("put", "boto3"): _put_boto3,
    ("get", "boto3"): _get_boto3,
    ("put", "pinpipe"): _put_pinpipe,
    ("put-crc64nvme", "pinpipe"): _put_pinpipe,
    ("put-crc32c", "pinpipe"): _put_pinpipe,
    ("get", "pinpipe"): _get_pinpipe,
    ("read", "pinpipe"): _read_pinpipe,
}


def main() -> None:
    """One run; the first of several rounds is not counted."""
    job: Job = json.loads(sys.argv[1])
    work = WAYS[job["what"], job["who"]](job)
    if job["rounds"] > 1:
        work()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    before, begun = time.process_time(), time.monotonic()
    found: Iterable[bytes] = []
    for _ in range(job["rounds"]):
        found = work()
    cpu, wall = time.process_time() - before, time.monotonic() - begun
    summed = hashlib.sha256()
    for data in found:
        summed.update(data)
    peak = int(Path("/proc/self/status").read_text(encoding="ascii").split("VmHWM:")[1].split()[0])
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    print(
        json.dumps(
            {"cpu_s": cpu, "wall_s": wall, "hash": summed.hexdigest(), "peak_kib": peak, "faults": faults}
        )
    )


if __name__ == "__main__":
    main()
