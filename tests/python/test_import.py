"""Turns fresh interpreters into lists of what an import and the first credentials load.

Never looks at a clock: modules and libraries are counted, `make bench` times them.
Rules: docs/architecture.md, "The Python border"; reference/signing.md §9 (10).
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"pyarrow", "numpy", "pandas", "duckdb", "matplotlib"}
KEY = "import pinpipe; key = pinpipe.Credentials.default()"


def loaded(program: str) -> tuple[set[str], set[str]]:
    """Modules beyond the interpreter's own, and shared libraries."""
    code = (
        f"import sys; own = set(sys.modules); exec({program!r}); made = set(sys.modules) - own\n"
        "maps = {line.split()[-1].rpartition('/')[2] for line in open('/proc/self/maps') if '.so' in line}\n"
        "print(*made); print(*maps)"
    )
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PINPIPE_LOG")}
    key = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "import/secret"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=quiet | key, capture_output=True, text=True, check=True, timeout=60)
    modules, libraries = done.stdout.splitlines()
    return set(modules.split()), set(libraries.split())


def test_the_package_alone_is_one_module() -> None:
    assert loaded("import pinpipe")[0] == {"pinpipe"}


def test_the_first_credentials_load_what_they_are_made_of() -> None:
    modules, libraries = loaded(KEY)
    ours = {name for name in modules if name.partition(".")[0] == "pinpipe"}
    assert ours == {
        "pinpipe",
        *(f"pinpipe.{name}" for name in ("_credentials", "_native", "errors", "native")),
    }
    rest = {
        name for name in modules - ours if not name.startswith("swig_runtime_data")
    }  # SWIG's own, in memory
    assert rest <= {"__future__"}
    assert not any(name.startswith(("libcurl", "libgnutls", "libldap", "libkrb5.")) for name in libraries)


@pytest.mark.parametrize("name", ["clean", "sign", "kafka", "s3", "query", "emulate"])
def test_no_name_loads_an_optional_package(name: str) -> None:
    assert not loaded(f"import pinpipe; pinpipe.{name}")[0] & HEAVY


def test_the_first_request_loads_libcurl() -> None:
    program = (
        "import pinpipe\n"
        "client = pinpipe.s3.Client('http://127.0.0.1:1', region='r', attempts=1)\n"
        "try:\n    client.head('bucket', 'key')\n"
        "except pinpipe.errors.NetworkError:\n    pass\n"
    )
    assert any(name.startswith("libcurl") for name in loaded(program)[1])
