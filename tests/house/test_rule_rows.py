"""Turns each row of rules.def, one after the other, into nothing, and sees the vectors fail without it.

Never changes the checkout: the shortened table is compiled from a copy.
Rules: a rule that can go without a failing vector is not tested.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "libpinpipe" / "schema"
ROW = re.compile(r"^(MARKER|OUTCOME|RECORD_RULE|ARGUMENT)\(")
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O0", "-w"]
CORE = ("base", "text", "schema", "record", "codec", "clean")


def compile_object(source: Path, target: Path, first_include: Path | None = None) -> Path:
    includes = [first_include] if first_include else []
    includes += [ROOT / "include", ROOT / "libpinpipe", ROOT / "tests" / "unit"]
    define = f'-DPINPIPE_SOURCE_DIR="{ROOT}"'
    subprocess.run(
        ["gcc", *FLAGS, define, *(f"-I{path}" for path in includes), "-c", str(source), "-o", str(target)],
        check=True,
    )
    return target


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The data wing and the vectors' program, all but the file that expands the rules."""
    folder = tmp_path_factory.mktemp("objects")
    sources = [
        s for part in CORE for s in sorted((ROOT / "libpinpipe" / part).glob("*.c")) if s.name != "rules.c"
    ]
    sources.append(ROOT / "tests" / "unit" / "rules_test.c")
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda s: compile_object(s, folder / f"{s.parent.name}_{s.stem}.o"), sources))


def vectors_pass(objects: list[Path], folder: Path, lines: list[str]) -> bool:
    (folder / "schema").mkdir(parents=True)
    (folder / "schema" / "rules.def").write_text("".join(lines))
    rules = compile_object(SCHEMA / "rules.c", folder / "rules.o", folder)
    program = folder / "vectors"
    subprocess.run(
        [
            "gcc",
            *map(str, objects),
            str(rules),
            "-lcrypto",
            "-ljansson",
            "-lz",
            "-lzstd",
            "-lm",
            "-o",
            str(program),
        ],
        check=True,
    )
    return subprocess.run([str(program)], capture_output=True, check=False).returncode == 0


def test_every_rule_row_is_missed(objects: list[Path], tmp_path: Path) -> None:
    lines = (SCHEMA / "rules.def").read_text().splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if ROW.match(line)]
    assert vectors_pass(objects, tmp_path / "all", lines), "the vectors fail with every row in place"

    def is_missed(row: int) -> bool:
        return not vectors_pass(objects, tmp_path / str(row), lines[:row] + lines[row + 1 :])

    with ThreadPoolExecutor(2) as pool:
        missed = dict(zip(rows, pool.map(is_missed, rows), strict=True))
    print(f"{len(rows)} rows taken out, {sum(missed.values())} missed by the vectors")
    assert [lines[row].strip() for row, seen in missed.items() if not seen] == []
