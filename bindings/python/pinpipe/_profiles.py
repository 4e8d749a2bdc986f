"""Turns a profile's name, a rule file or a dict into the core's profile.

Never decides what a rule means: the core reads the rules; TOML becomes the JSON that it reads.
Rules: docs/profiles.md; libpinpipe/schema/rules.def.
"""

from __future__ import annotations

import datetime
import json
import os
import tomllib
from collections.abc import Mapping
from typing import Any

from pinpipe import native
from pinpipe._inputs import open_for_reading
from pinpipe._schema import KINDS, Rule, kind_index
from pinpipe.errors import DataError, InvalidArgumentError

BUILT_IN = ("course", "keep")
_ID_PARTS = {"rules": 3, "columns": 2}


class Profile:
    """The effects of all cleaning rules; immutable."""

    def __init__(self, handle: Any, document: str | bytes = b"{}") -> None:
        """Made by `pinpipe.profile` only."""
        self._handle = handle
        self._document = document

    @property
    def name(self) -> str:
        """course, keep, or the name in the rule file."""
        return str(native.pinpipe_profile_name(self._handle))

    def rules(self, kind: str) -> list[Rule]:
        """Every rule that cleaning a record type may apply, those that are off too."""
        return [Rule(*row) for row in native.profile_rules(self._handle, kind_index(kind))]

    @property
    def expect(self) -> dict[str, Any] | None:
        """The rule file with the expectations in it, as `expect=` takes it; None where it has none."""
        document: dict[str, Any] = json.loads(self._document)
        return document if document.get("expect") else None

    def __repr__(self) -> str:
        """Says its name and how many rules differ from the default's."""
        course = profile("course")
        other = sum(len(set(self.rules(kind)) - set(course.rules(kind))) for kind in KINDS)
        return f"<pinpipe.Profile {self.name}: {other} rules differ from course>"


def profile(source: str | os.PathLike[str] | Mapping[str, Any] | Profile) -> Profile:
    """The profile of that name (course, keep), of a rule file (.json, .toml), or of the same as a mapping.

    Raises DataError that names the rule and what is wrong with it.
    """
    if isinstance(source, Profile):
        return source
    if isinstance(source, Mapping):
        text = json.dumps(source, default=_plain_value)
        return Profile(native.pinpipe_profile_decode(text), text)
    name = os.fspath(source)
    if name in BUILT_IN:
        return Profile(native.pinpipe_profile_new(name))
    if not name.endswith((".json", ".toml")):
        raise InvalidArgumentError(
            f"profile '{name}' is neither {' nor '.join(BUILT_IN)} nor a .json or .toml file"
        )
    document = read_rule_file(name)
    return Profile(native.pinpipe_profile_decode(document), document)


def read_rule_file(path: str) -> bytes:
    """A rule file as the JSON that the core reads."""
    with open_for_reading(path) as file:
        text = file.read()
    if not path.endswith(".toml"):
        return text
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"rule file '{path}': {error}") from None
    for section, parts in _ID_PARTS.items():
        if isinstance(document.get(section), dict):
            document[section] = _flat(document[section], parts)
    if isinstance(document.get("expect"), dict):
        document["expect"] = _flat_expect(document["expect"])
    return json.dumps(document, default=_plain_value).encode()


def _flat(table: Mapping[str, Any], parts: int) -> dict[str, Any]:
    """Tables within tables as ids with dots: `pin.title.null = "dropped"` is TOML for three tables."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        missing = parts - key.count(".") - 1
        if missing > 0 and isinstance(value, Mapping):
            flat.update({f"{key}.{rest}": inner for rest, inner in _flat(value, missing).items()})
        else:
            flat[key] = value
    return flat


def _flat_expect(expect: Mapping[str, Any]) -> dict[str, Any]:
    """The same for expectations: `[expect.pin.category]` is a column's, `[expect.pin]` the rows'."""
    flat: dict[str, Any] = {}
    for key, value in expect.items():
        if key == "matches" and isinstance(value, Mapping):
            flat[key] = _flat(value, 2)
        elif "." in key or not isinstance(value, Mapping):
            flat[key] = value
        else:
            own = {name: inner for name, inner in value.items() if not isinstance(inner, Mapping)}
            flat.update({key: own} if own else {})
            columns = (name for name in value if name not in own)
            flat.update({f"{key}.{name}": value[name] for name in columns})
    return flat


def _plain_value(value: object) -> str:
    """TOML's dates and times as the text that the core reads."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    raise DataError(f"a rule file cannot hold {type(value).__name__}")
