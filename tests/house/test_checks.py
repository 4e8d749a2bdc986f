"""Bad source text in, the expected finding out: every house check is shown to see what it looks for.

Never reads the tree; the tree itself is checked by `make lint`.
Rules: tests/house/rules.py.
"""

from __future__ import annotations

import pytest

from tests.house import checks, rules, tidy

HEADER = "/* Turns a into b.\n * Never c.\n * Rules: d. */\n"
DOCSTRING = '"""Turns a into b.\n\nNever c.\nRules: d.\n"""\n'


def test_folders_point_down_only() -> None:
    for folder, below in rules.FOLDERS.items():
        assert folder not in below
        for lower in below:
            assert folder not in rules.FOLDERS[lower]
            assert rules.FOLDERS[lower] <= below


def test_wings_do_not_meet_below_the_top() -> None:
    data, wire = {"schema", "record", "codec", "clean"}, {"aws", "io", "s3", "kafka"}
    for folder in data:
        assert not rules.FOLDERS[folder] & wire
    for folder in wire:
        assert not rules.FOLDERS[folder] & data


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("base/a.c", '#include "text/number.h"'),
        ("aws/a.c", '#include "schema/schema.h"'),
        ("clean/a.c", '#include "io/http.h"'),
        ("s3/a.c", '#include "kafka/client.h"'),
        ("codec/a.c", '#include "clean/plan.h"'),
        ("kafka/a.c", "#include <curl/curl.h>"),
        ("io/a.c", "#include <librdkafka/rdkafka.h>"),
        ("clean/a.c", "#include <time.h>"),
        ("base/a.c", '#include "../text/number.h"'),
        ("novel/a.c", ""),
    ],
)
def test_include_against_the_direction(path: str, line: str) -> None:
    assert list(checks.includes(path, line + "\n"))


def test_include_along_the_direction() -> None:
    text = '#include "clean/plan.h"\n#include "codec/json.h"\n#include "base/error.h"\n#include <string.h>\n'
    assert not list(checks.includes("clean/plan.c", text))


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("base/buffer.c", "malloc(1)"),
        ("clean/a.c", "free(p)"),
        ("aws/sign.c", "time(NULL)"),
        ("aws/sign.c", 'getenv("HOME")'),
        ("s3/a.c", "clock_gettime(0, &t)"),
        ("io/a.c", "strcpy(a, b)"),
        ("io/a.c", 'printf("x")'),
        ("aws/uri.c", "strtol(a, 0, 10)"),
    ],
)
def test_call_outside_of_its_home(path: str, call: str) -> None:
    assert list(checks.calls(path, f"void a(void) {{\n    {call};\n}}\n"))


def test_call_in_its_home_or_in_words() -> None:
    assert not list(checks.calls("base/memory.c", "    p = realloc(p, 1);\n"))
    assert not list(checks.calls("io/clock.c", "    clock_gettime(0, &t);\n"))
    assert not list(checks.calls("codec/a.c", '    /* malloc(1) */ f("free(p)"); x->free(p); pp_free(p);\n'))


@pytest.mark.parametrize(("lines", "findings"), [(68, 0), (69, 1)])
def test_function_length(lines: int, findings: int) -> None:
    body = "    a();\n" * lines
    assert len(list(checks.c_lengths("a.c", f"void a(int b) {{\n{body}}}\n"))) == findings
    assert len(list(checks.c_lengths("a.c", f"void a(int b,\n       int c) {{\n{body[9:]}}}\n"))) == 0


@pytest.mark.parametrize(("lines", "findings"), [(600, 0), (601, 1)])
def test_file_length(lines: int, findings: int) -> None:
    assert len(list(checks.c_lengths("a.c", "int a;\n" * lines))) == findings
    assert len(list(checks.python_lengths("a.py", "a = 1\n" * lines))) == findings


@pytest.mark.parametrize(("lines", "findings"), [(69, 0), (70, 1)])
def test_python_function_length(lines: int, findings: int) -> None:
    text = "def a():\n" + "    b = 1\n" * lines
    assert len(list(checks.python_lengths("a.py", text))) == findings


def test_header() -> None:
    assert not list(checks.header("a.c", HEADER + "int a;\n"))
    assert not list(checks.header("a.py", DOCSTRING))
    assert list(checks.header("a.c", "int a;\n"))
    assert list(checks.header("a.c", "/* Turns a into b. Rules: d. */\n"))
    assert list(checks.header("a.py", '"""Turns a into b; never c."""\n'))


def test_notes_to_oneself() -> None:
    assert list(checks.marks("a.c", "/* TO" + "DO later */\n"))
    assert not list(checks.marks("a.c", "/* a mastodon */\n"))


def test_tidy_takes_findings_in_our_files_only() -> None:
    finding = "libpinpipe/a.c:3:4: warning: Dereference of null pointer [clang-analyzer-core]"
    said = f"{tidy.ROOT}/{finding}\n    a->b = 1;\n    ^\n/usr/include/x.h:1:1: warning: garbage [bugprone]\n"
    assert list(tidy.findings(said)) == [finding]
