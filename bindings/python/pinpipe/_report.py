"""Turns a run's summary, answers and census into one self-contained HTML page.

Never loads anything: no script, no network, no font; every text from data is escaped.
Rules: CONTRACT §2 (report.html) and §6 (what a summary holds); the charts are those of pinpipe._charts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from pinpipe import _charts
from pinpipe._query import QUESTIONS, TITLES
from pinpipe._schema import KINDS, Schema

_FLOW = ("emulated", "stored", "read", "cleaned", "duplicates", "rejected", "conflicts")
_KIND_NAMES = {"pin": "pins", "geo": "places", "user": "users"}
_HEADS = {
    "country": "country",
    "category": "category",
    "category_count": "posts",
    "post_year": "year",
    "poster_name": "poster",
    "follower_count": "followers",
    "age_group": "age group",
    "median_follower_count": "median followers",
    "number_users_joined": "users",
}
_NOTES = {
    "q1": f"The {_charts.MOST_BARS} largest; the table has every country. Ties are kept.",
    "q3a": f"The {_charts.MOST_BARS} most followed; the table has every country. Ties are kept.",
    "q3b": "The winner, and beside it the most followed poster of other countries.",
    "q4": "Ties are kept.",
    "q5": "Over posts; the exact median.",
    "q6": "Rows of user_data; a poster's profile is repeated on each of the poster's posts.",
    "q7": "Over posts; the exact median.",
    "q8": "Over posts; the exact median.",
}
_LONGEST = 240  # letters of an expectation's argument
SHOWN_VALUES = 3
SHOWN_CHARACTERS = 40
_EFFECTS = {
    "nulled": "became null",
    "kept": "kept as it was",
    "ignored": "left out",
    "rejected": "record put into the rejects",
}


def render_report(summary: Mapping[str, Any], answers: Mapping[str, Any], census: Mapping[str, Any]) -> str:
    """The page as text.

    summary: as summary.json has it (records, draws, missing, elapsed_s, cpu_s, rss_bytes, versions; statistics,
    expectations and matches as docs/census.md has them; and steps_s: step name -> seconds).
    answers: question -> table (an Arrow object or a list of rows).
    census: rule id -> hits, or kind -> rule id -> hits.
    """
    rows = {question: _rows(answers[question]) for question in QUESTIONS if question in answers}
    parts = [
        _head(summary),
        _tiles(summary),
        "<h2>The answers</h2><div class=answers>",
        *(_answer(question, rows) for question in rows),
        "</div>",
        _flow(summary),
        _layers(summary),
        _census(census, summary),
        _statistics(summary),
        _expectations(summary),
        _matches(summary),
        _steps(summary),
        _versions(summary),
    ]
    style = resources.files("pinpipe").joinpath("_report.css").read_text(encoding="utf-8")
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>Pinterest pipeline: the answers</title><style>{style}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _rows(answer: Any) -> list[dict[str, Any]]:
    if isinstance(answer, Sequence):
        return [dict(row) for row in answer]
    if hasattr(answer, "to_pylist"):
        return list(answer.to_pylist())
    import pyarrow

    rows: list[dict[str, Any]] = pyarrow.table(answer).to_pylist()
    return rows


def _head(summary: Mapping[str, Any]) -> str:
    source = summary.get("source")
    told = f" Source: <code>{escape(str(source))}</code>." if source else ""
    notes = "".join(f"<p>{escape(str(note))}</p>" for note in summary.get("notes") or [])
    return (
        "<h1>Pinterest pipeline: the answers</h1>"
        "<p class=soft>Rows drawn from the source tables, sent as JSON, stored as objects, cleaned, and asked"
        f" eight questions in nine answers.{told}</p>{notes}"
    )


def _tiles(summary: Mapping[str, Any]) -> str:
    records = _records(summary)
    tiles = [
        ("draws", _number(summary.get("draws"))),
        ("records sent", _number(_total(records, "emulated"))),
        ("clean rows", _number(_total(records, "cleaned"))),
        ("duplicates", _number(_total(records, "duplicates"))),
        ("rejected", _number(_total(records, "rejected"))),
        ("seconds", _number(summary.get("elapsed_s"))),
        ("CPU seconds", _number(summary.get("cpu_s"))),
        ("memory", _mebibytes(summary.get("rss_bytes"))),
    ]
    cells = (
        f"<div class=card><b>{value}</b><span class=soft>{name}</span></div>"
        for name, value in tiles
        if value
    )
    return f"<div class=tiles>{''.join(cells)}</div>"


def _answer(question: str, answers: Mapping[str, list[dict[str, Any]]]) -> str:
    rows = answers[question]
    drawn = rows
    if question == "q3b" and "q3a" in answers:
        best = {row["country"]: row for row in reversed(_by_followers(answers["q3a"]))}
        drawn = _by_followers(list({**best, **{row["country"]: row for row in rows}}.values()))
    return (
        f"<section class=card id={question}><h3>{question} · {escape(TITLES[question])}</h3>"
        f"<p class=soft>{escape(_NOTES.get(question, ''))}</p>"
        f"<div class=pair><div>{_figures(question, drawn)}</div>{_answer_table(rows)}</div></section>"
    )


def _by_followers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -(row["follower_count"] or 0))


def _figures(question: str, rows: list[dict[str, Any]]) -> str:
    """The chart in two widths; the style sheet shows one of them."""
    title = escape(TITLES[question])
    drawn = []
    for name, frame in (("wide", _charts.WIDE), ("narrow", _charts.NARROW)):
        svg = _charts.chart(question, rows, frame)
        if svg:
            named = svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
            drawn.append(f"<figure class={name}>{_own_ids(named, f'{question}-{name}')}</figure>")
    return "".join(drawn) or "<p class=soft>No rows.</p>"


def _own_ids(svg: str, prefix: str) -> str:
    """Ids that no other drawing of the page has: glyphs and clips are referred to by them."""
    for mark in (' id="', '"#', "url(#"):
        svg = svg.replace(mark, f"{mark}{prefix}-")
    return svg


def _answer_table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    numeric = [name for name in names if name.endswith(("_count", "_joined"))]
    return _table(
        [_HEADS.get(name, name) for name in names],
        [[_cell(row[name], numeric=name in numeric) for name in names] for row in rows],
        numbers=[name in numeric for name in names],
    )


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[bool], style: str = "scroll"
) -> str:
    """A table of cells that are HTML already."""
    kinds = ["class=number" if number else "" for number in numbers]
    top = "".join(
        f"<th scope=col {kind}>{escape(head)}</th>" for head, kind in zip(heads, kinds, strict=True)
    )
    body = (
        "<tr>" + "".join(f"<td {kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="{style}" tabindex=0><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(value: object, *, numeric: bool) -> str:
    if value is None:
        return "<span class=soft>unknown</span>"
    return _number(value) if numeric else escape(str(value))


def _flow(summary: Mapping[str, Any]) -> str:
    records = _records(summary)
    if not records:
        return ""
    missing = summary.get("missing")
    lost = sum(missing.values()) if isinstance(missing, Mapping) else missing or 0
    lacking = f" {_number(lost)} rows were drawn that the source lacks." if lost else ""
    return f"<h2>The flow of the records</h2>{_flow_table(records, lacking)}"


def _flow_table(records: Mapping[str, Mapping[str, int]], told: str) -> str:
    present = [name for name in _FLOW if any(name in counts for counts in records.values())]
    rows = [[name, *(_number(counts.get(name, 0)) for counts in records.values())] for name in present]
    verdict = (
        "<span class=good>adds up</span>" if _adds_up(records) else "<span class=bad>does not add up</span>"
    )
    heads = ["records", *(_KIND_NAMES.get(kind, kind) for kind in records)]
    table = _table(heads, rows, numbers=[False, *(True for _ in records)], style="scroll short")
    return (
        "<div class=card><p>Emulated = stored = read, and read = cleaned + duplicates + rejected:"
        f" {verdict}.{told}</p>{table}</div>"
    )


def _layers(summary: Mapping[str, Any]) -> str:
    """The stream layer's flow, and its tables beside the batch layer's."""
    stream = summary.get("stream") or {}
    tables: Mapping[str, Mapping[str, Any]] = stream.get("tables") or {}
    if not tables:
        return ""
    rows = []
    for kind, each in tables.items():
        same = (
            "<span class=good>identical</span>" if each["identical"] else "<span class=bad>different</span>"
        )
        firsts = ", ".join(map(str, each["first_different"]))
        counts = [_number(rows) for rows in (*each["rows"], each["different"])]
        rows.append([escape(_KIND_NAMES.get(kind, kind)), *counts, same, firsts])
    heads = [
        "table",
        "rows of the batch layer",
        "rows of the stream layer",
        "keys that differ",
        "",
        "first ind",
    ]
    table = _table(heads, rows, numbers=[False, True, True, True, False, False], style="scroll short")
    return (
        "<h2>The stream layer</h2><p>The same rows through Kinesis, cleaned by the same core.</p>"
        f"{_flow_table(stream.get('records') or {}, '')}"
        "<div class=card><p>The tables of both layers, compared as NDJSON in the order of <code>ind</code>,"
        f" byte for byte.</p>{table}</div>"
    )


def _adds_up(records: Mapping[str, Mapping[str, int]]) -> bool:
    def whole(counts: Mapping[str, int]) -> bool:
        sent = {counts.get(name, 0) for name in ("emulated", "stored", "read")}
        return sent == {sum(counts.get(name, 0) for name in ("cleaned", "duplicates", "rejected"))}

    return all(whole(counts) for counts in records.values())


def _census(census: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    hits: dict[str, int] = {}
    for name, value in census.items():
        hits.update(value if isinstance(value, Mapping) else {name: value})
    hits = {rule: count for rule, count in hits.items() if count}
    if not hits:
        return "<h2>What cleaning changed</h2><div class=card><p>Nothing.</p></div>"
    meanings = _meanings()
    values = _values(summary)
    records = _records(summary)
    rows = []
    for rule in sorted(hits, key=lambda name: (KINDS.index(name.split(".")[0]), -hits[name], name)):
        kind = rule.split(".")[0]
        read = records.get(kind, {}).get("read", 0)
        share = hits[rule] / read if read else 0.0
        meter = f'<span class=meter title="{share:.1%}"><i style="width:{min(share, 1):.1%}"></i></span>'
        named = escape(rule).replace(".", ".<wbr>").replace("_", "_<wbr>")
        found = f"{meanings.get(rule, '')}<br><code class=soft>{named}</code>"
        met = f"<br>{', '.join(values[rule][:SHOWN_VALUES])}" if rule in values else ""
        rows.append([found + met, _number(hits[rule]), f"{_share(share)}{meter}" if read else ""])
    heads = ["what was found", "hits", "of the rows"]
    table = _table(heads, rows, numbers=[False, True, True], style="scroll short")
    return (
        "<h2>What cleaning changed</h2><div class=card>"
        f"<p>Every value that a rule changed, counted by rule.</p>{table}</div>"
    )


def _values(summary: Mapping[str, Any]) -> dict[str, list[str]]:
    """Rule id -> the values that it met and could not know before, as HTML, the most frequent first."""
    met: dict[str, list[str]] = {}
    told_by_rule = {rule.id for kind in KINDS for rule in Schema(kind).rules if rule.text}
    for values in (summary.get("values") or {}).values():
        for value in values:
            if value["rule"] in told_by_rule or not value["value"]:
                continue
            text = value["value"]
            told = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
            met.setdefault(value["rule"], []).append(f"<q>{escape(told)}</q> {_number(value['count'])}")
    return met


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "&lt;0.1%"


def _meanings() -> dict[str, str]:
    """Rule id -> what it means, as HTML, from the core's table of rules."""
    meanings = {}
    for kind in KINDS:
        for rule in Schema(kind).rules:
            effect = _EFFECTS.get(rule.effect, rule.effect)
            seen = f"“{rule.text}”" if rule.text else rule.id.rpartition(".")[2].replace("_", " ")
            where = rule.id.split(".")[1] if rule.id.count(".") > 1 else "record"
            place = f"{_KIND_NAMES[kind]}, {where}"
            meanings[rule.id] = f"{escape(place)}: {escape(seen)} {escape(effect)}"
    return meanings


def _statistics(summary: Mapping[str, Any]) -> str:
    statistics = summary.get("statistics") or {}
    if not statistics:
        return ""
    heads = ["column", "nulls before", "nulls after", "before: least, greatest", "after: least, greatest"]
    tables = []
    for kind, sides in statistics.items():
        before, after = sides.get("before", {}), sides.get("after", {})
        rows = []
        for name in [*after, *(raw for raw in before if raw not in after)]:
            both = (before.get(name), after.get(name))
            nulls = ["" if side is None else _number(side["nulls"]) for side in both]
            rows.append([f"<code>{escape(name)}</code>", *nulls, *(_bounds(side) for side in both)])
        table = _table(heads, rows, numbers=[False, True, True, False, False], style="scroll short wide")
        counts = [next((side["rows"] for side in columns.values()), 0) for columns in (before, after)]
        told = f"{_number(counts[0])} records before, {_number(counts[1])} rows after"
        tables.append(f"<h3>{escape(_KIND_NAMES.get(kind, kind))}</h3><p class=soft>{told}</p>{table}")
    return (
        "<h2>Before and after cleaning</h2><div class=card><p>What the raw columns held, and what the clean ones"
        f" hold; a column that only one side has stands on that side alone.</p>{''.join(tables)}</div>"
    )


def _bounds(column: Mapping[str, Any] | None) -> str:
    """The least and greatest value, one below the other; a text that was cut ends in `…`."""
    if column is None or column["min"] is None:
        return ""
    shown = []
    for name in ("min", "max"):
        value = column[name]
        text = f"{value:,}" if isinstance(value, int) else str(value)
        empty = "<span class=soft>the empty text</span>"
        shown.append(escape(text) + ("…" if column.get(f"{name}_cut") else "") if text else empty)
    return "<br>".join(dict.fromkeys(shown))


def _expectations(summary: Mapping[str, Any]) -> str:
    results = summary.get("expectations") or []
    if not results:
        return ""
    rows = []
    for each in sorted(results, key=lambda result: bool(result["passed"])):  # what failed stands first
        mark = (
            "<span class=good>✓&nbsp;passed</span>"
            if each["passed"]
            else "<span class=bad>✗&nbsp;failed</span>"
        )
        mark += "" if each["passed"] or not each["fatal"] else " <span class=bad>(fatal)</span>"
        named = escape(each["id"]).replace(".", ".<wbr>").replace("_", "_<wbr>")
        wanted = f"<code>{named}</code><br><span class=soft>{_as_json(each['expected'])}</span>"
        seen = _seen(each["id"], each["observed"])
        first = ""
        if each["failing_key"] is not None:
            value = "" if each["failing_value"] is None else f": {escape(str(each['failing_value']))}"
            first = f"{each['failing_key']}{value}"
        rows.append([mark, wanted, seen, _number(each["failures"]), first])
    passed = sum(bool(each["passed"]) for each in results)
    heads = ["result", "expectation", "seen", "against it", "first ind: value"]
    table = _table(heads, rows, numbers=[False, False, True, True, False], style="scroll short wide")
    return (
        f"<h2>What was expected</h2><div class=card><p>{passed} of {len(results)} expectations passed.</p>"
        f"{table}</div>"
    )


def _seen(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and name.endswith(("_share_max", ".share_min")):
        return f"{value:.2%}"
    if isinstance(value, int):
        return _number(value)
    return escape(value) if isinstance(value, str) else _as_json(value)


def _as_json(value: object) -> str:
    """A value as JSON, cut where it is a long list."""
    text = json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def _matches(summary: Mapping[str, Any]) -> str:
    matches = summary.get("matches") or []
    if not matches:
        return ""
    rows = []
    for each in matches:
        one, other = (_KIND_NAMES.get(kind, kind) for kind in each["pair"].split("."))
        share = each["matched_share"]
        meter = (
            "" if share is None else f"{share:.1%}<span class=meter><i style='width:{share:.1%}'></i></span>"
        )
        firsts = ", ".join(map(str, each["first_unmatched"] or []))
        counts = [_number(each[name]) for name in ("row_count", "unmatched_count")]
        rows.append([f"{escape(one)} among {escape(other)}", *counts, meter, firsts])
    heads = ["rows of one table", "rows", "without a partner", "with one", "first keys without"]
    table = _table(heads, rows, numbers=[False, True, True, True, False], style="scroll short")
    return (
        "<h2>Matches across the tables</h2><div class=card>"
        f"<p>How many rows have a row of the same <code>ind</code> in another table.</p>{table}</div>"
    )


def _steps(summary: Mapping[str, Any]) -> str:
    steps = summary.get("steps_s") or {}
    if not steps:
        return ""
    most = max(steps.values()) or 1
    rows = [
        [
            escape(str(name)),
            f"{seconds:.2f}",
            f"<span class=meter><i style='width:{seconds / most:.1%}'></i></span>",
        ]
        for name, seconds in steps.items()
    ]
    table = _table(["step", "seconds", ""], rows, numbers=[False, True, False], style="scroll short")
    return f"<h2>Where the time went</h2><div class=card>{table}</div>"


def _versions(summary: Mapping[str, Any]) -> str:
    versions = summary.get("versions") or {}
    if not versions:
        return ""
    rows = [[escape(str(name)), escape(str(version))] for name, version in sorted(versions.items())]
    table = _table(["library", "version"], rows, numbers=[False, False], style="scroll short")
    return f"<h2>Made with</h2><div class=card>{table}</div>"


def _records(summary: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    records: Mapping[str, Mapping[str, int]] = summary.get("records") or {}
    return records


def _total(records: Mapping[str, Mapping[str, int]], name: str) -> int | None:
    found = [counts[name] for counts in records.values() if name in counts]
    return sum(found) if found else None


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else ""


def _mebibytes(value: object) -> str:
    return f"{value / (1 << 20):,.0f} MiB" if isinstance(value, int) else ""
