"""One producer that is offered twice what its shards take, in a process of its own: a line of JSON at its end.

Never offers a record again that found no room: what was taken has to arrive, the rest was refused in time.
Rules: reference/kinesis-s3.md §1.4, P3.

    python kinesis_overload.py    reads JSON: endpoint, stream, key, secret, seconds, rate, bytes, name, ordering
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import pinpipe
from pinpipe import errors, kinesis

TICK_S = 0.02
KEYS = 256


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Offers `rate` records a second for `seconds`, then flushes."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    credentials = pinpipe.Credentials.static(job["key"], job["secret"])
    producer = kinesis.Producer(
        job["stream"],
        job["endpoint"],
        credentials=credentials,
        ordering=job["ordering"],
        memory_bytes=1 << 20,
        delivery_timeout=60.0 + job["seconds"],
    )
    filler = bytes(job["bytes"])
    taken = refused = 0
    peaks = []
    began, cpu_s = time.monotonic(), time.process_time()
    ticks = int(job["seconds"] / TICK_S)
    for tick in range(ticks):
        for number in range(int(job["rate"] * TICK_S)):
            try:
                text = b"%s-%08d" % (job["name"].encode(), taken)
                producer.write(text + filler, f"{job['name']}-{taken % KEYS}", timeout=0)
                taken += 1
            except errors.DeadlineError:
                refused += int(job["rate"] * TICK_S) - number
                break
        if tick % (ticks // 4) == ticks // 4 - 1:
            peaks.append(_peak_kib())
        left = began + (tick + 1) * TICK_S - time.monotonic()
        if left > 0:
            producer.poll(left)
    seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
    during = producer.counters
    producer.flush(60.0)
    after = producer.counters
    told = {
        "taken": taken,
        "refused": refused,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peaks_kib": peaks,
        "during": during,
        "after": after,
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
