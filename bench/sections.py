"""The benchmark's further sections: small objects, key orders, encoding, de-duplication, the whole job, instructions.

Never judges a figure; each section prints a table and returns the same as plain values.
Rules: DESIGN §5 ("Speed"); recipes/peers.md §2 for the small objects; decoder.md §3 for the key orders.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
import rows
from ask_spark import ask

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Bench:
    """What was asked for."""

    folder: Path
    decode: Path
    rows: int
    runs: int
    peers: tuple[str, ...]

    def program(self, name: str) -> str:
        """A C program that stands beside the first."""
        return str(self.decode.parent / name)


def orders(bench: Bench) -> dict[str, Any]:
    """The wire's key order, two other constant ones, and one drawn for each record."""
    found: dict[str, Any] = {}
    print(
        f"\nkey orders, C, file, batches, {bench.rows} rows: CPU s (first), against the wire's, off the fast road"
    )
    for kind in rows.TABLES:
        paths = {order: rows.write(kind, bench.rows, bench.folder, order) for order in rows.ORDERS}
        commands = {
            order: [bench.program("decode"), kind, str(path), "batches"] for order, path in paths.items()
        }
        results = figures.interleaved(commands, bench.runs)
        base = figures.median(results["wire"])
        for order, runs in results.items():
            roads = figures.run([bench.program("roads"), kind, str(paths[order])])
            slow, cpu = roads["records"] - roads["fast"], figures.median(runs)
            found[f"{kind} {order}"] = {
                "cpu_s": cpu,
                "first_cpu_s": runs[0]["cpu_s"],
                "ratio": cpu / base,
                "slow": slow,
            }
            print(f"  {kind:4} {order:9} {cpu:8.3f} ({runs[0]['cpu_s']:.3f}) {cpu / base:6.2f} x {slow:8}")
    return found


def objects(bench: Bench) -> dict[str, Any]:
    """Many files of one record each, whole table; Spark reads the folder."""
    listed = rows.write_objects(bench.folder)
    names = listed.read_text(encoding="utf-8").split()
    megabytes = sum(Path(name).stat().st_size for name in names) / 1e6
    peers = {"open, read, close": "files", "pinpipe": "pinpipe-objects"}
    peers |= {name: name for name in ("duckdb", "polars", "json") if name in bench.peers}
    commands = {label: figures.peer(peer, "pin", f"@{listed}") for label, peer in peers.items()}
    results = figures.interleaved(commands, min(bench.runs, 3))
    if "spark" in bench.peers:
        job = {"name": "objects", "do": "clean", "kind": "pin", "path": str(Path(names[0]).parent), "runs": 1}
        results["spark, one cold run"] = ask([job])["jobs"]["objects"]
    lines = {name: figures.summary(runs, megabytes, len(names)) for name, runs in results.items()}
    figures.show(f"{len(names)} objects of one pin (ns/row is ns an object)", lines, "duckdb")
    return lines


def dedupe(bench: Bench) -> dict[str, Any]:
    """De-duplication alone: clean columns are there already; no pin comes twice."""
    path = rows.write("pin", bench.rows, bench.folder)
    commands = {
        f"C, {by}": [bench.program("decode"), "pin", str(path), f"dedupe-{by}"] for by in ("ind", "row")
    }
    if "polars" in bench.peers:
        commands |= {
            f"polars, {by}": figures.peer(f"polars-unique-{by}", "pin", path) for by in ("ind", "row")
        }
    results = figures.interleaved(commands, bench.runs)
    print(f"\nde-duplication of {bench.rows} pins, no key twice: CPU s (first)")
    found: dict[str, Any] = {}
    for name, runs in results.items():
        key = "dedup_s" if name.startswith("C") else "cpu_s"
        found[name] = {"cpu_s": figures.median(runs, key), "first_cpu_s": runs[0][key]}
        print(f"  {name:12} {found[name]['cpu_s']:8.3f} ({runs[0][key]:.3f})")
    return found


def whole(bench: Bench) -> dict[str, Any]:
    """Three tables from files to the nine answers, which are hashed and must be equal."""
    paths = {kind: rows.write(kind, bench.rows, bench.folder) for kind in rows.TABLES}
    listed = bench.folder / f"whole-{bench.rows}.json"
    listed.write_text(json.dumps({kind: str(path) for kind, path in paths.items()}), encoding="utf-8")
    names = [name for name in ("pinpipe", "duckdb") if name == "pinpipe" or name in bench.peers]
    commands: dict[str, list[str]] = {
        name: [sys.executable, str(HERE / "whole.py"), name, str(listed)] for name in names
    }
    results = figures.interleaved(commands, bench.runs)
    if "spark" in bench.peers:
        questions = figures.run([sys.executable, str(HERE / "whole.py"), "questions", str(listed)])
        job = {"name": "whole", "do": "whole", "paths": json.loads(listed.read_text()), "runs": 2}
        results["spark"] = ask([{**job, **questions}])["jobs"]["whole"]
    for name, runs in results.items():
        if any(run["answers"] != results["pinpipe"][0]["answers"] for run in runs):
            raise SystemExit(f"bench: the answers of {name} differ")
    megabytes = sum(path.stat().st_size for path in paths.values()) / 1e6
    lines = {name: figures.summary(runs, megabytes, bench.rows) for name, runs in results.items()}
    figures.show(f"files to the nine answers, 3 x {bench.rows} rows; answers equal", lines, "duckdb")
    for name, runs in results.items():
        if "clean_s" in runs[0]:
            lines[name]["clean_s"] = figures.median(runs, "clean_s")
            print(f"  {name}: cleaning {lines[name]['clean_s']:.3f} s of it")
    return lines


def encode(bench: Bench) -> dict[str, Any]:
    """Columns to text, in MB of output."""
    found: dict[str, Any] = {}
    print(f"\nencode, C, {bench.rows} rows: MB/s of output (first round)")
    for kind in rows.TABLES:
        path = rows.write(kind, bench.rows, bench.folder)
        for shape in ("clean", "raw"):
            for output in ("ndjson", "csv"):
                run = figures.run([bench.program("encode"), kind, str(path), shape, output])
                rates = [run["bytes"] / 1e6 / seconds for seconds in run["rounds_s"]]
                middle = sorted(rates)[len(rates) // 2]
                found[f"{kind} {shape} {output}"] = {"mb_per_s": middle, "first_mb_per_s": rates[0]}
                print(f"  {kind:4} {shape:5} {output:6} {middle:7.0f} ({rates[0]:.0f})")
    found["row"] = figures.run([sys.executable, str(HERE / "row_text.py")])
    for name, line in found["row"].items():
        print(f"  a pin as JSON, {name:24} {line:7.0f} ns")
    return found


def instructions(bench: Bench) -> dict[str, Any]:
    """Instructions a byte by callgrind: two inputs, so that start-up falls out."""
    if not shutil.which("valgrind"):
        print("\ninstructions: valgrind is not installed (cmake/packages.sh bench)")
        return {}
    found: dict[str, Any] = {}
    print("\ninstructions a byte, C, in memory, batches")
    for kind in rows.TABLES:
        counted = []
        for count in (2_000, 20_000):
            path = rows.write(kind, count, bench.folder)
            tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
            command = [*tool, bench.program("decode"), kind, str(path), "memory"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            counted.append((int(done.stderr.split("Collected :")[1].split()[0]), path.stat().st_size))
        (few, small), (many, large) = counted
        found[kind] = (many - few) / (large - small)
        print(f"  {kind:4} {found[kind]:.2f}")
    return found


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "objects": objects,
    "orders": orders,
    "encode": encode,
    "dedupe": dedupe,
    "whole": whole,
    "instructions": instructions,
}
