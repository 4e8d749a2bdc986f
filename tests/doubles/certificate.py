"""Turns a folder into the home of a certificate for 127.0.0.1 and its key.

Never makes one that is good for longer than a day.
Rules: docs/testing.md, "Rules for a test".
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""

    file: Path
    key_file: Path


def make_certificate(folder: Path) -> Certificate:
    """Makes one with the openssl program."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=loopback"
    )
    command += " -addext subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.s3.localhost"
    command += f" -keyout {made.key_file} -out {made.file}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return made
