"""Turns a stream into lines of a file, each with a batch and the places behind it: what a test kills and starts again.

Never writes a line in two calls of the system: it is there as a whole or not at all.
Rules: docs/kinesis.md, "Places"; tests/integration/test_kinesis_reads.py starts it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pinpipe import kinesis


def main(stream: str, endpoint: str, path: str, fetch_records: str) -> None:
    """Goes on behind the file's last whole line, until it is killed."""
    lines = [line for line in Path(path).read_text().splitlines(keepends=True) if line.endswith("\n")]
    start = json.loads(lines[-1])["positions"] if lines else "earliest"
    with kinesis.Consumer(
        stream, endpoint, start=start, idle=0.2, fetch_records=int(fetch_records)
    ) as consumer:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        while True:
            batch = consumer.consume_batch(17, timeout=5)
            if batch.num_records:
                data = [record.data.decode() for record in batch.records()]
                line = json.dumps({"data": data, "positions": consumer.positions}) + "\n"
                assert os.write(file, line.encode()) == len(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
