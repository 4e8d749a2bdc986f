"""Runs one way of doing a job over and over and prints its figures: a line of JSON, for peers that count records.

Never counts imports or the first round, and takes no round for done whose records did not all arrive.
Rules: recipes/peers.md, "Method"; only the standard library, for every peer's environment has it.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable


def run(work: Callable[[], int], records: int, rounds: int) -> None:
    """work: one round; how many records arrived, of `records`."""
    work()
    cpu_s, wall_s = time.process_time(), time.monotonic()
    done = sum(work() for _ in range(rounds))
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    if done != rounds * records:
        raise SystemExit(f"{done} of {rounds * records} records arrived")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s, "records": done, "peak_kib": peak}))
