"""Turns `--soak full` into the length of the tests that are marked `soak`, and every run into a search for secrets.

Never leaves a test out: without the option they run at a tenth of their length.
Rules: DESIGN §5, "Time"; docs/testing.md.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests.told import Told, ToldPlugin

# The library tells everything, in this process and in its children, before either loads it.
_folder = tempfile.TemporaryDirectory(prefix="pinpipe-told-")
os.environ["PINPIPE_LOG"] = "trace"
os.environ["PINPIPE_LOG_FILE"] = f"{_folder.name}/log"

# Those of tests/airflow run inside of a line's environment, which tests/integration/test_airflow.py starts.
collect_ignore = [] if "PINPIPE_AIRFLOW_DATABASE" in os.environ else ["airflow"]

# No test asks the machine that it runs on for its role.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# A shell's background job begins with Ctrl-C ignored, and what ignores it hands that on; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARES = {"tenth": 0.1, "full": 1.0}


def pytest_configure(config: pytest.Config) -> None:
    """From here on it is listened to what the library tells."""
    told = Told(Path(_folder.name))
    told.listen()
    config.pluginmanager.register(ToldPlugin(told))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", choices=sorted(SHARES), default="tenth", help="length of the soak tests")


@pytest.fixture
def soak_share(request: pytest.FixtureRequest) -> float:
    """How much of its full length a soak test runs: 0.1 or 1."""
    return SHARES[request.config.getoption("--soak")]
