"""Turns `--soak full` into the length of the tests that are marked `soak`.

Never leaves a test out: without the option they run at a tenth of their length.
Rules: DESIGN §5, "Time"; docs/testing.md.
"""

from __future__ import annotations

import os

import pytest

# No test asks the machine that it runs on for its role.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

SHARES = {"tenth": 0.1, "full": 1.0}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", choices=sorted(SHARES), default="tenth", help="length of the soak tests")


@pytest.fixture
def soak_share(request: pytest.FixtureRequest) -> float:
    """How much of its full length a soak test runs: 0.1 or 1."""
    return SHARES[request.config.getoption("--soak")]
