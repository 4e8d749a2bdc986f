"""Turns the public headers into the reference manual, and shows that a symbol without a word on it fails the run.

Never looks at how it looks.
Rules: docs/c.md, "Reference manual"; docs/Doxyfile.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.house import abi
from tests.house.outside import ROOT

BARE = """/* Turns nothing into nothing. */
/** A thing. */
typedef struct pinpipe_thing { int size; } pinpipe_thing;
"""


def printed(folder: Path, *settings: str) -> tuple[int, str]:
    """Doxygen's exit code and words, with these settings in place of the file's own."""
    text = (ROOT / "docs/Doxyfile").read_text(encoding="utf-8")
    own = "\n".join([text, f"OUTPUT_DIRECTORY = {folder}", *settings])
    done = subprocess.run(
        ["doxygen", "-"], cwd=ROOT, input=own, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_every_function_and_struct_has_its_place(tmp_path: Path) -> None:
    code, said = printed(tmp_path)
    assert (code, said) == (0, "")
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "html").glob("*.html")}
    headers = "".join(text for name, text in pages.items() if name.endswith("_8h.html"))
    record = abi.parse(abi.RECORD.read_text(encoding="utf-8"))
    assert [name for name in record.functions if f">{name}<" not in headers] == []
    assert [name for name in record.structs if f"struct{name.replace('_', '__')}.html" not in pages] == []


@pytest.mark.parametrize(
    "missing",
    [
        "void pinpipe_bare(void);",
        "typedef enum pinpipe_bare { PINPIPE_BARE = 1 } pinpipe_bare;",
        "typedef struct pinpipe_bare pinpipe_bare;",
        "#define PINPIPE_BARE 1",
    ],
)
def test_a_symbol_without_a_word_fails(missing: str, tmp_path: Path) -> None:
    header = tmp_path / "bare.h"
    header.write_text(
        BARE.replace("int size;", "int size; /* in bytes */") + f"{missing}\n", encoding="utf-8"
    )
    code, said = printed(tmp_path, f"INPUT = {header}", "USE_MDFILE_AS_MAINPAGE =")
    assert code != 0 and "is not documented" in said


def test_a_field_without_a_word_fails(tmp_path: Path) -> None:
    (tmp_path / "bare.h").write_text(BARE, encoding="utf-8")
    code, said = printed(tmp_path, f"INPUT = {tmp_path / 'bare.h'}", "USE_MDFILE_AS_MAINPAGE =")
    assert code != 0 and "Member size" in said
