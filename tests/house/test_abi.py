"""Turns the committed record of the binary interface into a comparison with the tree, and shows what it sees.

Never renews the record: who changes the interface does, and says so.
Rules: docs/c.md, "What stays"; tests/house/abi.py.
"""

from __future__ import annotations

import copy

import pytest

from tests.house import abi
from tests.house.conftest import BUILD, ROOT

TEXT = abi.RECORD.read_text(encoding="utf-8")
OLD = abi.parse(TEXT)


def test_the_record_is_that_of_the_tree() -> None:
    said = abi.verdict(TEXT, abi.read(ROOT / "include", BUILD / "libpinpipe.so"))
    assert not said, said


def test_the_record_s_text_is_read_as_it_was_written() -> None:
    assert abi.render(OLD) == TEXT
    assert OLD.structs["pinpipe_error"].members[0] == (0, "uint32_t", "struct_size")
    assert len(OLD.functions) > 300 and len(OLD.structs) > 50 and OLD.constants["PINPIPE_EFATAL"] == -16


def test_every_struct_that_a_caller_fills_and_that_may_grow_tells_its_size() -> None:
    for name, struct in OLD.structs.items():
        if name.endswith("_options"):
            assert struct.members[0] == (0, "uint32_t", "struct_size"), name


def _gone(new: abi.Abi) -> None:
    del new.functions["pinpipe_version"]


def _other_parameters(new: abi.Abi) -> None:
    new.functions["pinpipe_version"] = "const char *pinpipe_version(int32_t)"


def _other_value(new: abi.Abi) -> None:
    new.constants["PINPIPE_AGAIN"] = 7


def _shrunk(new: abi.Abi) -> None:
    new.structs["pinpipe_s3_options"].bytes -= 8


def _reordered(new: abi.Abi) -> None:
    members = new.structs["pinpipe_header"].members
    (first, kind, one), (second, _, other) = members
    members[:] = [(first, kind, other), (second, kind, one)]


def _grown_without_its_size(new: abi.Abi) -> None:
    new.structs["pinpipe_str"].members.append((16, "int64_t", "hash"))
    new.structs["pinpipe_str"].bytes += 8


def _other_library(new: abi.Abi) -> None:
    new.soname = "libpinpipe.so.1"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_gone, "function pinpipe_version is gone"),
        (_other_parameters, "const char *pinpipe_version(void) has become"),
        (_other_value, "constant PINPIPE_AGAIN: 2 has become 7"),
        (_shrunk, "struct pinpipe_s3_options: "),
        (_reordered, "struct pinpipe_header: name: pinpipe_str at 0 has become value"),
        (_grown_without_its_size, "struct pinpipe_str: 16 bytes have become 24"),
        (_other_library, "library libpinpipe.so.0 has become libpinpipe.so.1"),
    ],
)
def test_a_break_is_named_with_what_to_do(change: object, told: str) -> None:
    new = copy.deepcopy(OLD)
    assert callable(change)
    change(new)
    said = abi.verdict(TEXT, new)
    assert told in said and "break" in said and abi.RENEW in said


def test_growth_is_no_break_but_wants_its_record() -> None:
    new = copy.deepcopy(OLD)
    new.functions["pinpipe_novel"] = "void pinpipe_novel(void)"
    options = new.structs["pinpipe_kafka_read_options"]
    options.members.append((options.bytes, "int64_t", "novel"))
    options.members[1] = (options.members[1][0], options.members[1][1], "used_now")  # it was reserved
    options.bytes += 8
    said = abi.verdict(TEXT, new)
    assert "has grown" in said and abi.RENEW in said and "break" not in said
