"""Reading, in the benchmark's section on Kinesis: an answer in memory to clean columns, whole calls beside boto3.

Never measures the service: a server of one recorded answer runs on another core, and CPU is that of the client alone.
Rules: DESIGN §5 ("Speed"); issue on Kinesis: 2,000 records of 600 bytes; reference/kinesis-s3.md §6.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
FOLDER = figures.PEERS / "kinesis"
KIND, RECORDS, BYTES = "pin", 2000, 600
ROUNDS = 400
CALLS = 25


def _texts() -> list[str]:
    """Rows whose descriptions are cut where they are long, so that a record has BYTES bytes on average."""
    texts = []
    total = 0
    for number, line in enumerate(rows.lines(KIND, RECORDS), 1):
        text, row = line.strip(), json.loads(line)
        excess = total + len(text.encode()) - BYTES * number
        if excess > 0 and row.get("description"):
            row["description"] = row["description"][: -min(excess, len(row["description"]) - 1) or None]
            blanks = text.startswith('{"index": ')
            text = json.dumps(row) if blanks else json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        texts.append(text)
        total += len(text.encode())
    return texts


def answer() -> bytes:
    """A GetRecords answer as AWS writes it."""
    records = [
        {
            "SequenceNumber": f"496804412484983246163497821447313857712431{number:014d}",
            "ApproximateArrivalTimestamp": 1700000000.123 + number,
            "Data": base64.b64encode(text.encode()).decode(),
            "PartitionKey": f"key-{number}",
        }
        for number, text in enumerate(_texts())
    ]
    told = {"MillisBehindLatest": 1, "NextShardIterator": "A" * 230, "Records": records}
    return json.dumps(told, separators=(",", ":")).encode()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    records: ClassVar[bytes] = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        last = str((1 << 128) - 1)
        shard = {
            "ShardId": "shardId-000000000000",
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": last},
            "SequenceNumberRange": {"StartingSequenceNumber": "1"},
        }
        said = {
            "ListShards": json.dumps({"Shards": [shard]}).encode(),
            "GetShardIterator": b'{"ShardIterator":"A"}',
            "GetRecords": self.records,
        }[operation]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


def serve(path: str) -> None:
    """Gives the answer in a file to every request, until standard input ends; prints its endpoint first."""
    _Answers.records = Path(path).read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def section(bench: Bench) -> dict[str, Any]:
    """ms of CPU, ratios, allocations."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    path = bench.folder / "answer.json"
    path.write_bytes(answer())
    memory = figures.interleaved(
        {"C": [bench.program("kinesis_read"), KIND, str(path), str(ROUNDS)]}, bench.runs
    )["C"]
    read_s, clean_s = (figures.median(memory, key) for key in ("read_s", "clean_s"))
    found: dict[str, Any] = {
        "read_ms": 1e3 * read_s,
        "clean_ms": 1e3 * clean_s,
        "allocations": memory[0]["allocations"],
    }
    both = f"reading {1e3 * read_s:.2f}, cleaning {1e3 * clean_s:.2f}, {memory[0]['allocations']} allocations"
    what = f"GetRecords, {memory[0]['rows']} x {BYTES} B in memory to clean columns, C"
    print(f"\n{what}: {1e3 * (read_s + clean_s):.2f} ms ({both})")
    peer = HERE / "peer_kinesis_reads.py"
    boto3 = figures.environment(FOLDER, "kinesis-requirements.txt")
    with figures.server([sys.executable, str(HERE / "kinesis_reads.py"), str(path)]) as endpoint:
        commands = {
            who: [boto3 if who.startswith("boto3") else sys.executable, str(peer), who, endpoint, str(CALLS)]
            for who in ("columns", "clean", "boto3", "boto3, json")
        }
        results = figures.interleaved(commands, bench.runs)
    base = figures.median(results["boto3"])
    print("whole calls over http, ms of CPU a call, boto3's get_records by it")
    for name, runs in results.items():
        cpu = figures.median(runs)
        found[name] = {"cpu_ms": 1e3 * cpu, "ratio": base / cpu, "records": runs[0]["records"]}
        print(f"  {name:12} {1e3 * cpu:8.2f} {base / cpu:6.1f} x")
    return found


if __name__ == "__main__":
    serve(sys.argv[1])
