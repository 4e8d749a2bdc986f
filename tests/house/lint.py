"""`make lint`: formatter, linters, type checker, house checks, headers alone, exported symbols, in one run.

Never changes a file; goes on after a failure and ends with one line a part.
Rules: docs/testing.md, "Lint"; the lists are in tests/house/rules.py.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.house import checks  # noqa: E402

HEADER_STANDARDS = (("gcc", "c99"), ("gcc", "c11"), ("g++", "c++17"))
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
C_FOLDERS = ("libpinpipe", "include", "tests", "bench", "examples")
BENCH_PATHS = "MYPYPATH=bench:bindings/python:tests/integration:tests"
BENCH_OPTIONS = ("--ignore-missing-imports", "--explicit-package-bases")


def _command(*arguments: str | Path) -> Iterator[str]:
    result = subprocess.run(
        [str(a) for a in arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        yield (result.stdout + result.stderr).strip() or f"{arguments[0]} failed with {result.returncode}"


def _formatted() -> Iterator[str]:
    files = [path for folder in C_FOLDERS for path in sorted((ROOT / folder).rglob("*.[ch]"))]
    yield from _command("clang-format", "--dry-run", "-Werror", *files)


def _initialised(header: str) -> str:
    """A function for every _INIT macro of a header: they belong to what a program compiles."""
    made = ""
    for macro in re.findall(r"^#define (PINPIPE_\w+_INIT)\b", header, re.MULTILINE):
        name = macro.removesuffix("_INIT").lower()
        made += (
            f"{name} {name}_made(void);\n{name} {name}_made(void) {{ {name} made = {macro}; return made; }}\n"
        )
    return made


def _headers_alone() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((ROOT / "include/pinpipe").glob("*.h")):
            for compiler, standard in HEADER_STANDARDS:
                source = Path(folder) / ("alone.cpp" if compiler == "g++" else "alone.c")
                source.write_text(
                    f"#include <pinpipe/{path.name}>\nint alone(void);\n{_initialised(path.read_text())}"
                )
                yield from _command(compiler, f"-std={standard}", *STRICT, f"-I{ROOT / 'include'}", source)


def exported(library: Path) -> list[str]:
    """The names that a shared library defines for others."""
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    names = (line.split()[-1].split("@")[0] for line in listing.splitlines())
    return [name for name in names if name not in ("_init", "_fini")]


def _symbols(build: Path) -> Iterator[str]:
    names = exported(build / "libpinpipe.so")
    if not names:
        yield "libpinpipe.so exports nothing"
    yield from (f"libpinpipe.so exports {name}" for name in names if not name.startswith("pinpipe_"))


def main() -> int:
    """Runs all parts; 1 where one of them found something."""
    parser = argparse.ArgumentParser(description="all of the house's checks that need no run of the code")
    parser.add_argument("--build", type=Path, required=True, help="build tree made with warnings as errors")
    build = (ROOT / parser.parse_args().build).resolve()
    python = ("bindings/python", "bindings/airflow", "deploy", "tests", "bench", "examples")
    folders = [folder for folder in python if any((ROOT / folder).rglob("*.py"))]
    parts: tuple[tuple[str, Iterator[str]], ...] = (
        ("clang-format", _formatted()),
        ("house rules", checks.check_tree(ROOT)),
        ("headers alone in C99, C11, C++17", _headers_alone()),
        ("exported symbols", _symbols(build)),
        ("ruff check", _command("ruff", "check", *folders)),
        ("ruff format", _command("ruff", "format", "--check", *folders)),
        (
            "mypy --strict",
            _command("mypy", "--strict", "-p", "pinpipe", "-p", "tests.house", "-p", "tests.doubles"),
        ),
        # Its sections run by hand only, and long after a name was changed.
        ("mypy: the benchmark", _command("env", BENCH_PATHS, "mypy", *BENCH_OPTIONS, "bench")),
    )
    failed = 0
    for name, findings in parts:
        found = list(findings)
        failed += bool(found)
        print(f"lint: {name}: {'ok' if not found else 'FAILED'}")
        for finding in found:
            print(finding)
    print(f"lint: {len(parts) - failed} of {len(parts)} parts ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
