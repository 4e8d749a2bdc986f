"""Turns the core's log lines into records of Python's logging, on a thread of Python's.

Never imports logging, nor starts the thread, before somebody asks for lines; never writes to stdout or stderr unless
PINPIPE_LOG asks for it.
Rules: docs/errors.md, "The log".
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

from pinpipe.errors import InvalidArgumentError

if TYPE_CHECKING:
    import logging

JOIN_S = 2.0
#: What each level is called, and its number in the core (syslog's) and in Python's logging.
LEVELS = {"error": (3, 40), "warning": (4, 30), "info": (6, 20), "debug": (7, 10), "trace": (8, 5)}

_thread: threading.Thread | None = None
_level = 0


def set_log_level(level: str | None) -> None:
    """Hands the core's log lines of `level` and above to `logging.getLogger("pinpipe.<area>")`; None = no lines.

    level: "error", "warning", "info", "debug" or "trace", which is 5 in `logging` and makes librdkafka tell its logins.
    Which lines are shown is for the program's handlers to say. No line holds a secret.
    """
    from pinpipe import native

    global _level  # noqa: PLW0603 - the log is the process's, as the core's is
    if level is not None and level not in LEVELS:
        raise InvalidArgumentError(f"log level '{level}': it is none of {', '.join(LEVELS)}")
    _level = LEVELS[level][0] if level else 0
    if _level and _thread is None:
        import logging

        logging.addLevelName(LEVELS["trace"][1], "TRACE")
        logging.getLogger("pinpipe").addHandler(logging.NullHandler())
        atexit.register(_end)
        os.register_at_fork(after_in_child=_child_begin)
        _begin()
    native.pinpipe_library_log_level_set(_level)


def begin_as_environment_says() -> None:
    """PINPIPE_LOG=<level> [PINPIPE_LOG_FILE=<path>]: lines on stderr, or at the file's end."""
    import io
    import logging

    level = os.environ["PINPIPE_LOG"].lower()
    path = os.environ.get("PINPIPE_LOG_FILE")
    set_log_level(level)
    # Without a buffer: a buffer's lock, held by the thread at a fork, would stay held in the child.
    stream = io.TextIOWrapper(io.FileIO(path, "ab"), encoding="utf-8", write_through=True) if path else None
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("pinpipe")
    logger.addHandler(handler)
    logger.setLevel(LEVELS[level][1])


def _begin() -> None:
    global _thread  # noqa: PLW0603 - there is one queue, and so one thread
    from pinpipe import native

    native.log_open()
    _thread = threading.Thread(target=_run, name="pinpipe-log", daemon=True)
    _thread.start()


def _run() -> None:
    import logging

    from pinpipe import native

    numbers = dict(LEVELS.values())
    loggers: dict[str, logging.Logger] = {}
    while lines := native.log_take():
        for level, area, text in lines:
            if area not in loggers:
                loggers[area] = logging.getLogger(f"pinpipe.{area}")
            # syslog's 0 to 2 are errors, and 5, a notice, is worth no more than its neighbour
            loggers[area].log(numbers.get(level, 40 if level < 4 else 20), "%s", text)


def _end() -> None:
    """The interpreter ends: no line comes after this, and those that wait are handed on."""
    from pinpipe import native

    native.pinpipe_library_log_level_set(0)
    native.log_close()
    if _thread is not None:
        _thread.join(JOIN_S)


def _child_begin() -> None:
    """A forked child has no thread but its own."""
    if _level:
        _begin()
