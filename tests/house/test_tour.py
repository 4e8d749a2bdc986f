"""The tour, held beside the folders: every source, header and table has its line, no line lacks its file.

Never reads what a line says: that is for whoever reads the change.
Rules: libpinpipe/README.md; tests/house/rules.py has the folders.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.house import rules

LIBRARY = Path(__file__).resolve().parents[2] / "libpinpipe"
TOUR = (LIBRARY / "README.md").read_text(encoding="utf-8")


def _named() -> Counter[str]:
    named: Counter[str] = Counter()
    folder = ""
    for line in TOUR.splitlines():
        heading = re.match(r"## (\w+)/", line)
        folder = heading[1] if heading else folder
        if line.startswith("| `"):
            named.update(f"{folder}/{name}" for name in re.findall(r"`([^`]+)`", line.split("|")[1]))
    return named


def test_every_file_has_one_line() -> None:
    there = {
        str(path.relative_to(LIBRARY))
        for pattern in ("*/*.c", "*/*.h", "*/*.def")
        for path in LIBRARY.glob(pattern)
    }
    named = _named()
    assert sorted(there - named.keys()) == [], "no line in libpinpipe/README.md"
    assert sorted(named.keys() - there) == [], "a line of libpinpipe/README.md without its file"
    assert [name for name, count in named.items() if count > 1] == []


def test_every_folder_stands_above_the_folders_that_include_it() -> None:
    order = re.findall(r"^## (\w+)/", TOUR, re.MULTILINE)
    assert set(order) == rules.FOLDERS.keys()
    for folder, below in rules.FOLDERS.items():
        assert all(order.index(lower) < order.index(folder) for lower in below)
