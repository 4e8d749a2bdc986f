"""Turns wheels and an image's pins into what MWAA takes: plugins.zip, requirements.txt, startup.sh; and resolves them.

Never downloads a package into the kit, never changes a pin of the image: what contradicts one ends with uv's words.
Rules: docs/airflow.md, "MWAA"; Amazon's pages on custom wheels in plugins.zip.

    python deploy/mwaa/build.py --pins constraints.txt --airflow 3.0.6 -o build/mwaa wheels/*.whl
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLATFORM = "x86_64-manylinux_2_34"  # Amazon Linux 2023
RESOLVE_TIMEOUT_S = 300


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "wheels", nargs="+", type=Path, help="pinpipe's, the provider's, and any other of yours"
    )
    parser.add_argument(
        "--pins", type=Path, required=True, help="the image's constraints, name==version lines"
    )
    parser.add_argument("--airflow", required=True, help="the image's Airflow, which its pins do not name")
    parser.add_argument("--python", default="3.12", help="the image's Python (3.11 for Airflow 2.10)")
    parser.add_argument("--uv", default="uv", help="the resolver")
    parser.add_argument("-o", "--out", type=Path, required=True, help="where the three files go")
    return parser.parse_args()


def build(arguments: argparse.Namespace) -> Path:
    """Writes the three files; the folder that they lie in."""
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    plugins = out / "plugins.zip"
    with zipfile.ZipFile(plugins, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(arguments.wheels):
            _add(archive, path.name, path.read_bytes())
        _add(archive, "constraints.txt", arguments.pins.read_bytes())
    lines = [_requirement(path) for path in sorted(arguments.wheels)]
    asked = (HERE / "requirements.txt").read_text(encoding="utf-8")
    (out / "requirements.txt").write_text(asked + "\n".join(lines) + "\n", encoding="utf-8")
    shutil.copy(HERE / "startup.sh", out / "startup.sh")
    return out


def _requirement(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    return f"{name.replace('_', '-')}=={version}"


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """The same bytes each time: no time of this run."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def resolve(arguments: argparse.Namespace) -> str:
    """What MWAA will install, as name==version lines. Raises SystemExit with uv's words where there is no such set."""
    out: Path = arguments.out
    unpacked = out / "plugins"
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(out / "plugins.zip") as archive:
        archive.extractall(unpacked)
    asked = unpacked / "asked.in"
    lines = (out / "requirements.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith(("#", "--"))]
    asked.write_text("\n".join([*kept, f"apache-airflow=={arguments.airflow}"]) + "\n", encoding="utf-8")
    command = [arguments.uv, "pip", "compile", "-q", "--no-header", "--no-annotate", str(asked)]
    command += ["--find-links", str(unpacked), "-c", str(unpacked / "constraints.txt")]
    command += ["--python-version", arguments.python, "--python-platform", PLATFORM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RESOLVE_TIMEOUT_S)
    shutil.rmtree(unpacked)
    if done.returncode != 0:
        sys.exit(f"the image's pins leave no set of packages:\n{done.stderr}")
    return done.stdout


def main() -> int:
    """Builds, resolves, and prints what will be installed."""
    arguments = _arguments()
    build(arguments)
    print(resolve(arguments), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
