"""One run of one peer in a process of its own: a line of JSON with CPU seconds, rows, page faults and peak memory.

Never counts imports, start-up or the check of the content.
Rules: recipes/peers.md, "Method".

    python peer.py PEER KIND PATH [--hash]    PATH may be a file that lists files: @LIST
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from content import digest

PEERS = ("duckdb", "polars", "pyarrow", "pandas", "json")


def measured(job: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """What the job gives, and what it cost."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    before = time.process_time()
    result = job()
    cpu = time.process_time() - before
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0])
    return result, {"cpu_s": cpu, "faults": faults, "peak_kib": peak}


def _job(name: str, kind: str, paths: Any) -> tuple[Callable[[], Any], Any]:
    if name.startswith("pinpipe-"):
        module = importlib.import_module("peer_pinpipe")
        mode = name.removeprefix("pinpipe-")
        if mode in ("buffer", "payloads"):
            data = module.load(mode, paths)
            return lambda: getattr(module, mode)(data, kind), module
        if mode == "objects":
            return lambda: module.objects(kind, paths), module
        return lambda: module.path(None, kind, paths), module
    if name == "files":
        module = importlib.import_module("peer_json")
        return lambda: module.read_only(paths), module
    if name.startswith("polars-unique-"):
        module = importlib.import_module("peer_polars")
        table = module.clean(None, kind, paths)
        return lambda: module.unique(table, name.removeprefix("polars-unique-")), module
    module = importlib.import_module(f"peer_{name}")
    state = module.prepare()
    return lambda: module.clean(state, kind, paths), module


def main() -> None:
    """One run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", help=f"one of {', '.join(PEERS)}, pinpipe-..., files, polars-unique-...")
    parser.add_argument("kind")
    parser.add_argument("path")
    parser.add_argument("--hash", action="store_true")
    arguments = parser.parse_args()
    paths: Any = arguments.path
    if paths.startswith("@"):
        paths = Path(paths[1:]).read_text(encoding="utf-8").split()
    job, module = _job(arguments.peer, arguments.kind, paths)
    table, figures = measured(job)
    figures["rows"] = table if isinstance(table, int) else len(table)
    if arguments.hash:
        figures["hash"] = digest(module.arrow(table) if hasattr(module, "arrow") else table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
