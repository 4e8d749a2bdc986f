"""Source text in, findings out: include direction, calls, lengths, file headers.

Never runs a compiler and never changes a file; checks take (path, text), so that a test can pass a bad one.
Rules: tests/house/rules.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.house import rules

Check = Callable[[str, str], Iterator[str]]

_COMMENT_OR_TEXT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_INCLUDE = re.compile(r"^\s*#\s*include\s+([<\"])([^>\"]+)[>\"]", re.MULTILINE)
_CALL = re.compile(r"(?<![\w.>])([a-z_][a-z0-9_]*)\s*\(")


def without_comments(text: str) -> str:
    """C text with comments and literals blanked; line numbers stay."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group(0))

    return _COMMENT_OR_TEXT.sub(blank, text)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def includes(path: str, text: str) -> Iterator[str]:
    """`path` is relative to libpinpipe/, such as `codec/cells.c`."""
    folder = path.split("/", 1)[0]
    allowed = rules.FOLDERS.get(folder)
    if allowed is None:
        yield f"{path}:1: folder {folder}/ has no row in tests/house/rules.py"
        return
    for match in _INCLUDE.finditer(text):
        quoted, name = match.group(1) == '"', match.group(2)
        place = f"{path}:{_line(text, match.start(1))}"
        target = name.split("/", 1)[0]
        if quoted and target in rules.FOLDERS and target != folder and target not in allowed:
            yield f"{place}: {folder}/ may not include {name}"
        if quoted and name.startswith(".."):
            yield f"{place}: {name} is not named from libpinpipe/"
        for outside, homes in rules.OUTSIDE_HEADERS.items():
            misplaced = not quoted and name.startswith(outside) and folder not in homes
            if misplaced and (path, outside) not in rules.HEADER_EXCEPTIONS:
                yield f"{place}: only {'/ '.join(sorted(homes))}/ may include <{name}>"


def calls(path: str, text: str) -> Iterator[str]:
    """Banned calls, and calls outside of their home. `path` is relative to libpinpipe/."""
    code = without_comments(text)
    for match in _CALL.finditer(code):
        name = match.group(1)
        place = f"{path}:{_line(code, match.start(1))}"
        homes = rules.HOMED_CALLS.get(name, ())
        if (path, name) in rules.CALL_EXCEPTIONS:
            continue
        if name in rules.BANNED_CALLS:
            yield f"{place}: {name}() is banned"
        elif homes and not path.startswith(homes):
            yield f"{place}: {name}() belongs to {' '.join(homes)}"


def _too_long(path: str, first: int, last: int) -> Iterator[str]:
    length = last - first + 1
    if length > rules.MAX_FUNCTION_LINES:
        yield f"{path}:{first}: {length} lines in one function, at most {rules.MAX_FUNCTION_LINES}"


def c_lengths(path: str, text: str) -> Iterator[str]:
    """Files and functions over the limit. Relies on the formatter: a body ends with a brace in column 0."""
    lines = without_comments(text).split("\n")
    if len(lines) - 1 > rules.MAX_FILE_LINES:
        yield f"{path}:1: {len(lines) - 1} lines, at most {rules.MAX_FILE_LINES}"
    start = -1
    for number, line in enumerate(lines, 1):
        if start < 0 and line.endswith("{") and not line.startswith((" ", "\t", "#", "}")):
            start = number
        elif start < 0 and line.rstrip().endswith("{") and line.startswith(" ") and ")" in line:
            start = number  # the last line of a signature over several lines
        elif start >= 0 and line.startswith("}"):
            if line.rstrip() == "}":
                yield from _too_long(path, start, number)
            start = -1


def python_lengths(path: str, text: str) -> Iterator[str]:
    """Files and functions over the limit."""
    count = text.count("\n")
    if count > rules.MAX_FILE_LINES:
        yield f"{path}:1: {count} lines, at most {rules.MAX_FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _too_long(path, node.lineno, node.end_lineno or node.lineno)


def header(path: str, text: str) -> Iterator[str]:
    """Three lines at the top: what it turns into what, what it never does, where its rules come from."""
    if path.endswith(".py"):
        top = ast.get_docstring(ast.parse(text)) or ""
    else:
        match = re.match(r"/\*(.*?)\*/", text, re.DOTALL)
        top = match.group(1) if match else ""
    lowered = top.lower()
    missing = [word for word in rules.HEADER_WORDS if word not in lowered]
    if not top:
        yield f"{path}:1: no header comment"
    elif missing:
        yield f"{path}:1: the header lacks {' and '.join(missing)}"


def marks(path: str, text: str) -> Iterator[str]:
    """Notes to oneself that belong into an issue."""
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", line):
            yield f"{path}:{number}: a note to oneself"


def _files(root: Path, folder: str, *patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted((root / folder).rglob(pattern))


def _run(root: Path, base: str, paths: Iterator[Path], *checks: Check) -> Iterator[str]:
    for path in paths:
        name = path.relative_to(root / base).as_posix()
        text = path.read_text(encoding="utf-8")
        for check in checks:
            for finding in check(name, text):
                yield f"{base}/{finding}" if base != "." else finding


def check_tree(root: Path) -> Iterator[str]:
    """Every check over every file of the tree."""
    core = list(_files(root, "libpinpipe", "*.c", "*.h"))
    yield from _run(root, "libpinpipe", iter(core), includes, calls)
    c_files = [
        *core,
        *(
            path
            for folder in ("include", "tests", "bench", "examples", "bindings")
            for path in _files(root, folder, "*.c", "*.h")
        ),
    ]
    yield from _run(root, ".", iter(c_files), c_lengths, header, marks)
    python = [
        path
        for folder in ("bindings", "deploy", "tests", "bench", "examples")
        for path in _files(root, folder, "*.py")
    ]
    yield from _run(root, ".", iter(python), python_lengths, header, marks)
