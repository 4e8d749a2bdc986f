"""Turns planted secrets into proof that the search at the end of a run sees them, in every form and place.

Never plants one in this run's own log.
Rules: docs/testing.md, "Secrets".
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.told import Told

ROOT = Path(__file__).resolve().parents[2]
SECRET = "planted/Secret+of=ours~0123456789"
PERCENT = re.compile(r"%[0-9A-F]{2}")

WAYS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda secret: secret,
    "percent": lambda secret: quote(secret, safe="").encode(),
    "percent in lower case": lambda secret: PERCENT.sub(
        lambda at: at[0].lower(), quote(secret, safe="")
    ).encode(),
    "percent with slashes": lambda secret: quote(secret, safe="/").encode(),
    "base64": base64.b64encode,
    "base64 behind one byte": lambda secret: base64.b64encode(b":" + secret + b"?"),
    "base64 behind two bytes": lambda secret: base64.b64encode(b"a:" + secret + b"??"),
    "base64url": base64.urlsafe_b64encode,
    "base64url behind a name": lambda secret: base64.urlsafe_b64encode(b"name:" + secret),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_form_is_found(way: str, tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.secret(SECRET)
    told.text(b"before " + WAYS[way](SECRET.encode()) + b" after")
    _, hits = told.search()
    assert len(hits) >= 1
    assert SECRET not in "".join(hits)


def test_what_is_no_secret_is_not_found(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.secret(SECRET)
    told.text(SECRET[1:-1] + " " + SECRET[::-1])
    size, hits = told.search()
    assert (size, hits) == (len(SECRET) * 2, [])


PLANTED = {
    "log": "import logging; logging.getLogger('pinpipe.kafka').warning('a key %s', SECRET)",
    "error": "from pinpipe import errors; errors.Error('a token ' + base64.b64encode(SECRET.encode()).decode())",
    "arguments": "subprocess.run(['true', quote(SECRET, safe='')], check=True)",
    "output": "subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"A_SECRET\"])'],"
    " env=os.environ | {'A_SECRET': SECRET}, capture_output=True, check=True)",
    "print": "print('got', SECRET)",
}


@pytest.mark.parametrize(
    ("place", "processes"), [*((place, 0) for place in PLANTED), ("print", 2), ("nowhere", 0), ("nowhere", 2)]
)
def test_a_run_that_tells_a_secret_fails(place: str, processes: int, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_planted.py").write_text(
        "import base64, os, subprocess, sys\n"
        "from urllib.parse import quote\n"
        "from pinpipe import Credentials\n"
        f"SECRET = {SECRET!r}\n"
        "def test_it():\n"
        "    Credentials.static('AKID', SECRET)\n"
        f"    {PLANTED.get(place, 'pass')}\n"
    )
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(processes), str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=False,
        timeout=60,
    )
    told = done.stdout.decode().replace(SECRET, "…")
    assert done.returncode == (0 if place == "nowhere" else 1), told
    assert ("TOLD: " in told) == (place != "nowhere")
    assert "1 passed" in told
