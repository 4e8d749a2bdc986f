"""The tests of tests/house/test_parts.py with each part off alone: linked, run, and asked for what is off.

Never has a test of its own: there is one list of what must hold of a part that is off.
Rules: docs/architecture.md, "Parts that can be switched off".
"""

from __future__ import annotations

import pytest

from tests.house.test_parts import (
    Build,
    build_without,
    test_calls_of_what_is_off_answer_enotsup,
    test_example_runs_without_what_is_off,
    test_exports_the_same_names,
    test_library_does_not_need_what_is_off,
    test_static_program_links_only_what_is_on,
    test_unit_tests_of_what_is_off_pass,
)

__all__ = [
    "test_calls_of_what_is_off_answer_enotsup",
    "test_example_runs_without_what_is_off",
    "test_exports_the_same_names",
    "test_library_does_not_need_what_is_off",
    "test_static_program_links_only_what_is_on",
    "test_unit_tests_of_what_is_off_pass",
]


@pytest.fixture(scope="module", params=["KAFKA", "S3", "KINESIS", "GATEWAY"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The library without one of its parts."""
    return build_without((request.param,), tmp_path_factory.mktemp("parts"))
