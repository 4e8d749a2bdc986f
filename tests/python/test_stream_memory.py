"""Files of two sizes through `pinpipe clean`: what the process needs does not grow with the file.

Never trusts one number: the peak of a long file is compared with the peak of a short one in the same run.
Rules: DESIGN §5 ("Memory is bounded whatever the input"): growth under 64 MiB.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.python.bad_records import BAD_LINES, PIN, as_json

FULL_BYTES = 2 << 30
SHORT_BYTES = 32 << 20
GROWTH_KIB = 64 << 10


def _write(path: Path, size: int) -> None:
    keys = itertools.count()
    written = 0
    with path.open("wb") as stream:
        while written < size:
            block = [
                as_json(PIN | {"index": key, "title": f"row {key}"}) for key in itertools.islice(keys, 4096)
            ]
            block[7] = BAD_LINES["malformed"]
            written += stream.write(b"\n".join(block) + b"\n")


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _clean(source: Path, out: Path) -> int:
    """The peak of resident memory in KiB; the kernel keeps it, so a poll misses only the last moment."""
    command = [sys.executable, "-m", "pinpipe", "clean", "pin", str(source), "-o", str(out)]
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _peak_kib(process.pid))
            time.sleep(0.005)
    assert process.returncode == 3
    return peak


@pytest.mark.soak
@pytest.mark.parametrize("suffix", ["ndjson", "csv", "parquet", "arrow"])
def test_memory_does_not_grow_with_the_file(
    suffix: str, tmp_path: Path, soak_share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    long_bytes = int(FULL_BYTES * soak_share)
    peaks = {}
    for size in (SHORT_BYTES, long_bytes):
        source = tmp_path / f"{size}.ndjson"
        _write(source, size)
        out = tmp_path / f"out.{suffix}"
        peaks[size] = _clean(source, out)
        source.unlink()
        out.unlink()
    growth = peaks[long_bytes] - peaks[SHORT_BYTES]
    with capsys.disabled():
        sizes = ", ".join(f"{size >> 20} MiB file: peak {peak >> 10} MiB" for size, peak in peaks.items())
        print(f"\n{suffix}: {sizes}")
    assert growth < GROWTH_KIB
