"""Turns the directory that a demo left behind into its report.html again.

Never changes a table or the summary.
Rules: CONTRACT §2 (what the demo leaves: summary.json, batch/<kind>) and §5 (the answers' default readings).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pinpipe import _query, _report
from pinpipe._outputs import replaced_file
from pinpipe._schema import KINDS
from pinpipe.errors import DataError, FileError, NotFoundError

HELP = "write report.html from the summary and the clean tables of a run"
EXAMPLE = "pinpipe report demo-out -o report.html"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("directory", metavar="DIR", help="holds summary.json and the tables batch/<kind>")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", metavar="F", help=f"the {kind} table, if not DIR/batch/{kind}")
    parser.add_argument("-o", "--out", metavar="FILE", help="the page (default: DIR/report.html)")


def run(arguments: argparse.Namespace) -> int:
    """Writes the page and prints its path; returns the exit code."""
    directory = Path(arguments.directory)
    summary = _summary(directory / "summary.json")
    tables = {kind: getattr(arguments, kind) or str(directory / "batch" / kind) for kind in KINDS}
    page = _report.render_report(summary, _query.query_all(tables), summary.get("census") or {})
    out = Path(arguments.out) if arguments.out else directory / "report.html"
    with replaced_file(str(out)) as file:
        file.write(page.encode())
    print(out)
    return 0


def _summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}", native_code=error.errno or 0) from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(summary, dict):
        raise DataError(f"{path}: not a JSON object")
    return summary
