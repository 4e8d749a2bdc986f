"""The benchmark's further sections: key orders, small objects, encoding, de-duplication, instructions.

Never judges a figure; each section prints a table and returns the same as plain values.
Rules: DESIGN §5 ("Speed"); recipes/peers.md §2 for the small objects; decoder.md §3 for the key orders.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
import rows


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
    "orders": orders,
    "encode": encode,
    "instructions": instructions,
}
