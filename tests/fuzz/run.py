"""`make fuzz`: runs every libFuzzer target for its time, from the seeds, and says how many inputs it saw.

Never ends green after a finding: the input that broke a target lies in the build tree and is named.
Rules: docs/testing.md, "Fuzz".
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAX_INPUT_BYTES = 1 << 13
INPUT_SECONDS = 10
MEMORY_MIB = 2048


def _run(program: Path, corpus: Path, seeds: list[Path], seconds: int) -> bool:
    corpus.mkdir(parents=True, exist_ok=True)
    command = [
        program,
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-dict={HERE / 'records.dict'}",
        f"-artifact_prefix={corpus.parent}/finding-{program.name}-",
        "-print_final_stats=1",
        corpus,
        *seeds,
    ]
    environment = os.environ | {"UBSAN_OPTIONS": "print_stacktrace=1"}
    done = subprocess.run(
        [str(part) for part in command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stderr)
    runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    verdict = "ok" if done.returncode == 0 else f"FAILED with {done.returncode}"
    print(f"fuzz: {program.name}: {runs[0] if runs else '?'} inputs in {seconds} s: {verdict}")
    return done.returncode == 0


def main() -> int:
    """Runs all targets; 1 where one of them found something."""
    parser = argparse.ArgumentParser(description="run the libFuzzer targets")
    parser.add_argument("--build", type=Path, required=True, help="build tree of the preset `fuzz`")
    parser.add_argument("--seconds", type=int, required=True, help="time for each target")
    arguments = parser.parse_args()
    folder = arguments.build.resolve() / "tests/fuzz"
    programs = sorted(path for path in folder.glob("*_fuzz") if os.access(path, os.X_OK) and path.is_file())
    if not programs:
        print(f"fuzz: no target in {folder}", file=sys.stderr)
        return 1
    subprocess.run([sys.executable, HERE / "seeds.py", folder / "seeds"], check=True)
    results = []
    for program in programs:
        kept = [HERE / "corpus" / program.name, folder / "seeds" / program.name]
        seeds = [path for path in kept if path.is_dir()]
        results.append(_run(program, folder / "corpus" / program.name, seeds, arguments.seconds))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
