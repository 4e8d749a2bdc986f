"""Turns `pinpipe gateway` with its options into a running program and its address.

Never leaves it behind: its end by SIGTERM is part of every test.
Rules: docs/gateway.md.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 60.0


@contextmanager
def gateway_program(
    *options: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The program on a free port, and its address."""
    command = [sys.executable, "-m", "pinpipe", "gateway", "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stderr
        found = re.search(r"listens on http://(\S+)", process.stderr.readline())
        assert found
        yield found[1], process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.communicate()
