"""Turns API Gateway's mapping templates (Velocity) and a request into what the integration is sent.

Never more of Velocity than such templates have: references with members and method calls, #foreach, #if, #set.
Rules: Apache Velocity 1.7 User Guide (an identifier may have a hyphen); API Gateway Developer Guide, "Mapping template
reference"; a value that is no text prints as Java prints it, a map as {a=1, b=x}.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
_REFERENCE = re.compile(r"\$(!?)\{?(" + _NAME + ")")
_MEMBER = re.compile(r"\.(" + _NAME + r")(\()?")
_DIRECTIVE = re.compile(r"#(foreach|if|set|else|end)\b(\s*\()?")
_FOREACH = re.compile(r"\s*\$(" + _NAME + r")\s+in\s+(.*)\s*\Z", re.DOTALL)


def java_text(value: Any) -> str:
    """What Java's toString makes of a JSON value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(java_text, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class _Input:
    body: str
    parameters: dict[str, str]

    def call(self, name: str, argument: Any) -> Any:
        if name == "params":
            return self.parameters.get(argument, "")
        if name == "body":
            return self.body
        found = _path(self.body, argument)
        if name == "path":
            return "" if found is None else found
        if name == "json":
            return '""' if found is None else _compact(found)
        raise ValueError(f"$input.{name}")


def _path(body: str, path: str) -> Any:
    """JSONPath, as far as a.b.c."""
    found = json.loads(body) if body.strip() else {}
    for part in path.removeprefix("$").strip(".").split("."):
        if part:
            found = found.get(part) if isinstance(found, dict) else None
    return found


def _util(name: str, argument: Any) -> Any:
    text = java_text(argument)
    if name == "base64Encode":
        return base64.b64encode(text.encode()).decode()
    if name == "escapeJavaScript":
        return json.dumps(text, ensure_ascii=False)[1:-1].replace("'", "\\'")
    raise ValueError(f"$util.{name}")


class Template:
    """One mapping template."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render(self, body: str, parameters: dict[str, str]) -> str:
        """What a request with this body, and these path, query and header parameters, becomes."""
        names: dict[str, Any] = {"input": _Input(body, parameters)}
        return self._render(self._text, names)

    def _render(self, text: str, names: dict[str, Any]) -> str:
        out, at = [], 0
        while at < len(text):
            directive = _DIRECTIVE.match(text, at)
            reference = _REFERENCE.match(text, at)
            if directive:
                made, at = self._directive(text, directive, names)
                out.append(made)
            elif reference:
                value, end = self._value(text, at, names)
                out.append(text[at:end] if value is None and not reference[1] else java_text(value or ""))
                at = end
            else:
                out.append(text[at])
                at += 1
        return "".join(out)

    def _directive(self, text: str, found: re.Match[str], names: dict[str, Any]) -> tuple[str, int]:
        head_end = _closing(text, found.end() - 1)
        told = text[found.end() : head_end]
        if found[1] == "set":
            name, _, source = told.partition("=")
            names[name.strip().removeprefix("$")] = self._expression(source.strip(), names)
            return "", head_end + 1
        inside, otherwise, end = _block(text, head_end + 1)
        if found[1] == "if":
            return self._render(inside if self._expression(told.strip(), names) else otherwise, names), end
        loop = _FOREACH.match(told)
        assert loop, told
        items = self._expression(loop[2], names)
        items = items if isinstance(items, list) else []
        out = []
        for index, item in enumerate(items):
            inner = names | {loop[1]: item, "foreach": {"hasNext": index + 1 < len(items), "index": index}}
            out.append(self._render(inside, inner))
        return "".join(out), end

    def _expression(self, text: str, names: dict[str, Any]) -> Any:
        text = text.strip()
        if text.startswith("'"):
            return text[1:-1]
        left, equals, right = text.partition("==")
        if equals:
            return java_text(self._expression(left, names)) == java_text(self._expression(right, names))
        return self._value(text, 0, names)[0] if text.startswith("$") else json.loads(text)

    def _value(self, text: str, at: int, names: dict[str, Any]) -> tuple[Any, int]:
        head = _REFERENCE.match(text, at)
        assert head
        value, at = names.get(head[2]), head.end()
        is_util = head[2] == "util"
        while call := _MEMBER.match(text, at):
            name, at = call[1], call.end()
            argument = None
            if call[2]:
                end = _closing(text, at - 1)
                argument = self._expression(text[at:end], names) if text[at:end].strip() else None
                at = end + 1
            if is_util:
                value = _util(name, argument)
            elif isinstance(value, _Input):
                value = value.call(name, argument)
            elif name == "get":
                value = value.get(argument) if isinstance(value, dict) else None
            else:
                value = value.get(name) if isinstance(value, dict) else None
            is_util = False
        return value, at + (text[at : at + 1] == "}" and "{" in head[0])


def _closing(text: str, at: int) -> int:
    """The parenthesis that closes the one at `at`."""
    depth = 0
    for index in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    raise ValueError("a directive is not closed")


def _block(text: str, at: int) -> tuple[str, str, int]:
    """What stands up to #else, up to #end, and where that ends."""
    depth, begin, other = 1, at, None
    for found in _DIRECTIVE.finditer(text, at):
        depth += {"foreach": 1, "if": 1, "end": -1}.get(found[1], 0)
        if found[1] == "else" and depth == 1:
            other = found
        if depth == 0:
            inside_end = other.start() if other else found.start()
            otherwise = text[other.end() : found.start()] if other else ""
            return text[begin:inside_end], otherwise, found.end()
    raise ValueError("#end is missing")
