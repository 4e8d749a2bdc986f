"""Turns the compile commands of a build tree into clang-tidy's findings, over every C file of this checkout.

Never changes a file; never lets a header of another project count, where nothing can be mended.
Rules: .clang-tidy has the checks and the reasons of what is left out; docs/testing.md, "Lint".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("libpinpipe", "tests", "bench", "examples")
_FINDING = re.compile(r"^(?P<path>/[^:\n]+):\d+:\d+: (?:warning|error): .*$", re.MULTILINE)


def sources(build: Path) -> list[Path]:
    """The C files of the checkout that the build tree compiles."""
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    files = {Path(command["directory"], command["file"]).resolve() for command in commands}
    ours = [ROOT / folder for folder in FOLDERS]
    return sorted(file for file in files if any(file.is_relative_to(folder) for folder in ours))


def findings(said: str) -> Iterator[str]:
    """The lines of clang-tidy's output that speak of a file of ours."""
    for match in _FINDING.finditer(said):
        if Path(match["path"]).is_relative_to(ROOT):
            yield match[0].removeprefix(f"{ROOT}/")


def tidy(build: Path, source: Path) -> list[str]:
    """One file's findings; asserts count, since they say what callers promise."""
    done = subprocess.run(
        ["clang-tidy", "-quiet", f"-p={build}", "-extra-arg=-UNDEBUG", str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = list(findings(done.stdout))
    if done.returncode != 0 and not found:
        found = [f"{source.relative_to(ROOT)}: {done.stdout}{done.stderr}"]
    return found


def main() -> int:
    """Checks all files at once; 1 where there is a finding."""
    parser = argparse.ArgumentParser(description="clang-tidy over the whole C tree")
    parser.add_argument("--build", type=Path, required=True, help="build tree with compile_commands.json")
    build = (ROOT / parser.parse_args().build).resolve()
    files = sources(build)
    if not files:
        print(f"tidy: {build} compiles no file of {ROOT}")
        return 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = {line for lines in pool.map(lambda file: tidy(build, file), files) for line in lines}
    for line in sorted(found):
        print(line)
    print(f"tidy: {len(found)} findings in {len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
