"""Turns the public headers and the shared library into the record of what linked programs rely on, and compares it.

Never takes a number from a header's text: the compiler says sizes, offsets and values, the library its names.
Rules: docs/c.md, "What stays"; the record is libpinpipe/pinpipe.abi, for 64-bit Linux.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.house.lint import exported  # noqa: E402

RECORD = ROOT / "libpinpipe/pinpipe.abi"
RENEW = f"python tests/house/abi.py --build build --write   # then commit {RECORD.relative_to(ROOT)}"
HEAD = """# What programs that link libpinpipe.so rely on, on 64-bit Linux. A line that vanishes or changes breaks them.
# Written by tests/house/abi.py (docs/c.md, "What stays"): constants, functions, structs with their fields' offsets.
"""

_LINE_MARK = re.compile(r'^# \d+ "([^"]*)"')
_DECLARATION = re.compile(r"(?:[^;{}]|\{(?:[^{}]|\{[^{}]*\})*\})*;")
_STRUCT = re.compile(r"typedef struct (\w+) \{(.*)\} \1;")
_ENUM = re.compile(r"typedef enum (\w+) \{(.*)\} \1;")
_FUNCTION = re.compile(r"(.*?[ *])(pinpipe_\w+)\((.*)\) ?;")
_CALLBACK = re.compile(r"typedef (.*?\(\*)(pinpipe_\w+)\)\((.*)\);")
_MEMBER_NAME = re.compile(r"\(\*(\w+)\)|(\w+)(?:\[[^\]]*\])?$")


@dataclass
class Struct:
    """A struct's size and, in their order, its members: offset, type, name."""

    bytes: int
    members: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass
class Abi:
    """All that the record holds."""

    soname: str
    constants: dict[str, int]
    functions: dict[str, str]
    structs: dict[str, Struct]


def declarations(include: Path) -> list[str]:
    """The declarations of our own headers, one a string, blanks normalised, attributes gone."""
    command = ["cc", "-E", "-std=c11", f"-I{include}", str(include / "pinpipe/pinpipe.h")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours, lines = False, []
    for line in said.splitlines():
        mark = _LINE_MARK.match(line)
        if mark:
            ours = mark[1].startswith(str(include))
        elif ours:
            lines.append(line)
    text = re.sub(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\)", "", " ".join(lines))
    return [re.sub(r"\s+", " ", one).strip() for one in _DECLARATION.findall(text)]


def _without_name(parameter: str) -> str:
    named = re.fullmatch(r"(.*[ *])(\w+)", parameter.strip())
    is_named = named and named[1].strip() not in ("const", "struct", "enum")
    return named[1].strip() if named and is_named else parameter.strip()


def _functions(texts: list[str], exports: set[str]) -> dict[str, str]:
    """Prototypes without the parameters' names: of what the library exports, and of callbacks."""
    found = {}
    for text in texts:
        callback = _CALLBACK.fullmatch(text)
        function = None if text.startswith("typedef") else _FUNCTION.fullmatch(text)
        match = callback or function
        if match and (callback or match[2] in exports):
            parameters = ", ".join(_without_name(one) for one in match[3].split(","))
            found[match[2]] = f"{match[1]}{match[2]}{')' if callback else ''}({parameters})"
    return found


def _members(body: str) -> list[tuple[str, str]]:
    """Name and type of each member; a name is taken out of the middle of an array or a function pointer."""
    found = []
    for text in filter(None, (one.strip() for one in body.split(";"))):
        match = _MEMBER_NAME.search(text)
        assert match, text
        name = match[1] or match[2]
        found.append((name, re.sub(rf"\b{name}\b", "", text).strip()))
    return found


def _printed(include: Path, lines: list[str]) -> list[int]:
    """What a program says that prints these expressions."""
    body = "".join(f'printf("%lld\\n", (long long)({one}));\n' for one in lines)
    text = f"#include <stddef.h>\n#include <stdio.h>\n#include <pinpipe/pinpipe.h>\nint main(void) {{\n{body}}}\n"
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "print.c"), Path(folder, "print")
        source.write_text(text)
        subprocess.run(["cc", "-std=c11", f"-I{include}", str(source), "-o", str(program)], check=True)
        said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return [int(line) for line in said.splitlines()]


def read(include: Path, library: Path) -> Abi:
    """The state of a tree: its headers, and what its library exports and is called."""
    texts = declarations(include)
    structs = {m[1]: _members(m[2]) for m in map(_STRUCT.fullmatch, texts) if m}
    enums = [m[2] for m in map(_ENUM.fullmatch, texts) if m]
    constants = re.findall(r"\b(PINPIPE_\w+)(?= ?[=,]|\s*$)", " , ".join(enums))
    asked = [*constants]
    for name, members in structs.items():
        asked += [f"sizeof({name})", *(f"offsetof({name}, {member})" for member, _ in members)]
    told = iter(_printed(include, asked))
    values = {name: next(told) for name in constants}
    layouts = {}
    for name, members in structs.items():
        layouts[name] = Struct(next(told))
        layouts[name].members = [(next(told), kind, member) for member, kind in members]
    functions = _functions(texts, set(exported(library)))
    said = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True, check=True).stdout
    (soname,) = re.findall(r"\(SONAME\).*\[(.*)\]", said)
    return Abi(soname, values, functions, layouts)


def render(abi: Abi) -> str:
    """The record's text, sorted, so that a change is a small difference."""
    lines = [f"library {abi.soname}", ""]
    lines += [f"constant {name} {value}" for name, value in sorted(abi.constants.items())]
    lines += ["", *(f"function {text}" for _, text in sorted(abi.functions.items()))]
    for name, struct in sorted(abi.structs.items()):
        lines += ["", f"struct {name} {struct.bytes}"]
        lines += [f"    {offset} {member}: {kind}" for offset, kind, member in struct.members]
    return HEAD + "\n".join(lines) + "\n"


def parse(text: str) -> Abi:
    """The record's text back into what it says."""
    abi = Abi("", {}, {}, {})
    struct = Struct(0)
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "library":
            abi.soname = rest
        elif kind == "constant":
            name, _, value = rest.partition(" ")
            abi.constants[name] = int(value)
        elif kind == "function":
            abi.functions[re.findall(r"pinpipe_\w+(?=\)?\()", rest)[0]] = rest
        elif kind == "struct":
            name, _, size = rest.partition(" ")
            struct = abi.structs[name] = Struct(int(size))
        elif line.startswith("    "):
            offset, member, what = line.strip().split(" ", 2)
            struct.members.append((int(offset), what, member.removesuffix(":")))
    return abi


def _struct_breaks(name: str, old: Struct, new: Struct) -> Iterator[str]:
    for at, (offset, kind, member) in enumerate(old.members):
        now = new.members[at] if at < len(new.members) else None
        spare = member.startswith("reserved") and now is not None and now[:2] == (offset, kind)
        if now != (offset, kind, member) and not spare:
            now_text = f"{now[2]}: {now[1]} at {now[0]}" if now else "nothing"
            yield f"struct {name}: {member}: {kind} at {offset} has become {now_text}"
    sized = bool(old.members) and old.members[0][2] == "struct_size"
    if new.bytes < old.bytes or (new.bytes > old.bytes and not sized):
        yield f"struct {name}: {old.bytes} bytes have become {new.bytes}"


def breaks(old: Abi, new: Abi) -> Iterator[str]:
    """What a program built against `old` cannot bear of `new`."""
    if old.soname != new.soname:
        yield f"library {old.soname} has become {new.soname}"
    yield from (f"constant {name} is gone" for name in old.constants.keys() - new.constants.keys())
    yield from (f"function {name} is gone" for name in old.functions.keys() - new.functions.keys())
    yield from (f"struct {name} is gone" for name in old.structs.keys() - new.structs.keys())
    for name in old.constants.keys() & new.constants.keys():
        if old.constants[name] != new.constants[name]:
            yield f"constant {name}: {old.constants[name]} has become {new.constants[name]}"
    for name in old.functions.keys() & new.functions.keys():
        if old.functions[name] != new.functions[name]:
            yield f"function {old.functions[name]} has become {new.functions[name]}"
    for name in old.structs.keys() & new.structs.keys():
        yield from _struct_breaks(name, old.structs[name], new.structs[name])


def verdict(old: str, new: Abi) -> str:
    """Nothing where the record is that of the tree; else what differs, how bad it is, and what to do."""
    if old == render(new):
        return ""
    broken = sorted(breaks(parse(old), new))
    if not broken:
        return f"the interface has grown, and the record does not say so yet. Renew it:\n  {RENEW}"
    said = "\n".join(f"  {line}" for line in broken)
    return (
        f"programs built against the last version break:\n{said}\n"
        "Undo it, or raise the minor version (include/pinpipe/version.h), from 1.0 on SOVERSION too\n"
        f'(cmake/library.cmake), say so in CHANGELOG.md under "ABI", and renew the record:\n  {RENEW}'
    )


def main() -> int:
    """Compares, or writes the record; 1 where it is not that of the tree."""
    parser = argparse.ArgumentParser(description="the record of the library's binary interface")
    parser.add_argument("--build", type=Path, required=True, help="build tree with libpinpipe.so")
    parser.add_argument("--write", action="store_true", help="write the record instead of comparing")
    options = parser.parse_args()
    abi = read(ROOT / "include", options.build.resolve() / "libpinpipe.so")
    if options.write:
        RECORD.write_text(render(abi), encoding="utf-8")
        return 0
    said = verdict(RECORD.read_text(encoding="utf-8"), abi)
    print(said or f"abi: {RECORD.name} is that of {abi.soname}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
