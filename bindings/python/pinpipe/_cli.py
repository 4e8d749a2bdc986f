"""Turns a command line into one command's run and an exit code.

Never prints a traceback for what a user can cause: errors are one line on stderr. Exit codes: 0 done, 1 failed,
2 usage, 3 done with rejected records.
Rules: CONTRACT §2 ("Command line"); the commands are the modules of pinpipe._commands.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

import pinpipe
from pinpipe import _commands


def _command_modules() -> dict[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(_commands.__path__))
    return {name: importlib.import_module(f"{_commands.__name__}.{name}") for name in names}


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole program, one sub-parser a command."""
    parser = argparse.ArgumentParser(
        prog="pinpipe", description="The Pinterest data pipeline on one machine."
    )
    parser.add_argument("--version", action="version", version=f"pinpipe {pinpipe.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in _command_modules().items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except KeyboardInterrupt:
        print("pinpipe: stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except pinpipe.Error as error:
        print(f"pinpipe: {error}", file=sys.stderr)
        return 1
