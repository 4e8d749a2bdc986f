"""Turns the rows of an answer into a chart: SVG text with colors that follow the page's light or dark theme.

Never writes a file, never holds a date or a random id: the same rows give the same bytes.
Rules: python recipe §6 (matplotlib, inline SVG); every axis has a label, every mark a number beside it.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pinpipe.errors import NotSupportedError

Rows = Sequence[dict[str, Any]]

MOST_BARS = 20
_LABEL_LENGTH = 30
# Placeholders that no other part of a drawing uses; each becomes a variable of the page's style sheet.
_INK, _LINE, _BAR, _SECOND, _THIRD, _FOURTH = (f"#0102{n:02x}" for n in range(3, 9))
_VARIABLES = {_INK: "ink", _LINE: "line", _BAR: "bar", _SECOND: "bar-2", _THIRD: "bar-3", _FOURTH: "bar-4"}


@dataclass(frozen=True)
class _Frame:
    """The width that a chart is drawn for, in inches; its text keeps one size whatever the width."""

    width: float
    label_length: int


WIDE = _Frame(5.5, _LABEL_LENGTH)
NARROW = _Frame(3.9, 20)


def chart(question: str, rows: Rows, frame: _Frame) -> str:
    """The chart of a question's rows ("q1" … "q8") as an <svg> element; "" where there is nothing to draw."""
    if not rows:
        return ""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise NotSupportedError("a report's charts need the Python package matplotlib") from None
    settings: Any = {
        "svg.hashsalt": f"pinpipe-{question}-{frame.width}",
        "svg.fonttype": "path",
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _LINE,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(frame.width, 3.0), layout="constrained")
        axes = figure.add_subplot()
        _DRAWERS[question](figure, axes, rows, frame)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _themed(file.getvalue())


def _themed(text: str) -> str:
    """The bare <svg> element, with the page's colors and a size that the page decides."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for name in ("width", "height"):
        text = re.sub(rf'(<svg[^>]*?) {name}="[^"]*"', r"\1", text, count=1)
    for color, name in _VARIABLES.items():
        text = text.replace(color, f"var(--{name})")
    return text.strip()


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager, ft2font

    return frozenset(ft2font.FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())


def _label(value: object, length: int) -> str:
    """Text that the font can draw, on one line, shortened in the middle of nothing but its end."""
    text = "unknown" if value is None else str(value)
    text = " ".join(
        "".join(letter for letter in text if ord(letter) in _glyphs() or letter.isspace()).split()
    )
    return (text if len(text) <= length else text[: length - 1].rstrip() + "…").replace("$", r"\$")


def _short(number: float) -> str:
    """12, 1,601, 8k, 32.5k, 8M: five characters at most."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if abs(number) >= size and (abs(number) >= 10_000 or number % 100 == 0):
            return f"{number / size:.4g}{letter}"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def _clean(axes: Any, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _mark(
    axes: Any, value: float, place: tuple[float, float], shift: tuple[float, float], **style: Any
) -> None:
    """Writes a value beside its mark; shift in points."""
    axes.annotate(_short(value), place, shift, textcoords="offset points", fontsize=8.5, **style)


def _across(
    figure: Any,
    axes: Any,
    labels: Sequence[str],
    values: Sequence[float],
    title: str,
    *,
    strong: bool = False,
) -> None:
    """Horizontal bars, the first on top, each with its number at its end."""
    figure.set_figheight(0.95 + 0.24 * len(labels))
    colors = [_SECOND if strong and value == max(values) else _BAR for value in values]
    places = range(len(labels))
    axes.barh(places, values, color=colors, height=0.72)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.margins(y=0.02)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            _short(value), (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    axes.set_xlim(0, max(values) * 1.18 or 1)
    axes.set_xlabel(title)
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.locator_params(axis="x", nbins=4)
    _clean(axes, "x")


def _upright(axes: Any, labels: Sequence[str], values: Sequence[float], *, names: tuple[str, str]) -> None:
    """Vertical bars with the number on top; names: of the x and of the y axis."""
    places = range(len(labels))
    axes.bar(places, values, color=_BAR, width=0.62)
    axes.set_xticks(places, labels)
    for place, value in zip(places, values, strict=True):
        _mark(axes, value, (place, value), (0, 3), ha="center")
    axes.set_ylim(0, max(values) * 1.15 or 1)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    axes.locator_params(axis="y", nbins=5)
    _clean(axes, "y")


def _popular_by_country(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    most = sorted(rows, key=lambda row: -row["category_count"])[:MOST_BARS]
    half = frame.label_length // 2 + 3
    labels = [f"{_label(row['country'], half)} · {_label(row['category'], half)}" for row in most]
    _across(figure, axes, labels, [row["category_count"] for row in most], "posts in the category")


def _posts_by_year(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    years = sorted({row["post_year"] for row in rows}, key=lambda year: (year is None, year))
    categories = sorted({row["category"] for row in rows}, key=lambda name: (name is None, name))
    counts = {(row["category"], row["post_year"]): row["category_count"] for row in rows}
    most = max(counts.values())
    figure.set_figheight(1.0 + 0.27 * len(categories))
    for row, category in enumerate(categories):
        for column, year in enumerate(years):
            count = counts.get((category, year), 0)
            axes.barh(row, 0.96, 0.92, column - 0.48, color=_BAR, alpha=0.12 + 0.6 * count / most)
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8.5)
    axes.set_xticks(range(len(years)), [_label(year, 9) for year in years])
    axes.set_yticks(range(len(categories)), [_label(name, frame.label_length) for name in categories])
    axes.set(xlim=(-0.55, len(years) - 0.45), ylim=(len(categories) - 0.5, -0.5))
    axes.set_xlabel("year of the post (number of posts)")
    axes.set_ylabel("category")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _top_posters(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    most = _most_followed(rows)[:MOST_BARS]
    half = frame.label_length // 2 + 3
    labels = [f"{_label(row['country'], half)} · {_label(row['poster_name'], half)}" for row in most]
    _across(figure, axes, labels, [row["follower_count"] for row in most], "followers")


def _top_countries(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    """The winner beside the runners-up, where the rows hold more countries than the winner."""
    most = _most_followed(rows)[:10]
    labels = [_label(row["country"], frame.label_length) for row in most]
    values = [row["follower_count"] for row in most]
    _across(figure, axes, labels, values, "followers of the top poster", strong=True)


def _most_followed(rows: Rows) -> list[dict[str, Any]]:
    known = [row for row in rows if row["follower_count"] is not None]
    return sorted(known, key=lambda row: (-row["follower_count"], str(row["country"])))


def _popular_by_age(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    first = rows[:MOST_BARS]
    labels = [
        f"{_label(row['age_group'], 10)} · {_label(row['category'], frame.label_length)}" for row in first
    ]
    _across(figure, axes, labels, [row["category_count"] for row in first], "posts in the category")
    axes.set_ylabel("age group")


def _median_by(column: str, name: str) -> Callable[[Any, Any, Rows, _Frame], None]:
    def draw(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
        known = [row for row in rows if row["median_follower_count"] is not None]
        labels = [_label(row[column], 10) for row in known]
        values = [row["median_follower_count"] for row in known]
        _upright(axes, labels or [""], values or [0], names=(name, "median follower count"))

    return draw


def _joined_by_year(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    labels = [_label(row["post_year"], 10) for row in rows]
    values = [row["number_users_joined"] for row in rows]
    _upright(axes, labels, values, names=("year of joining", "users"))


def _median_by_age_and_year(figure: Any, axes: Any, rows: Rows, frame: _Frame) -> None:
    groups = list(dict.fromkeys(row["age_group"] for row in rows))
    years = sorted({row["post_year"] for row in rows}, key=lambda year: (year is None, year))
    medians = {(row["age_group"], row["post_year"]): row["median_follower_count"] for row in rows}
    colors = (_BAR, _SECOND, _THIRD, _FOURTH)
    width = 0.84 / len(years)
    figure.set_figheight(3.4)
    for number, year in enumerate(years):
        places = [place - 0.42 + width * (number + 0.5) for place in range(len(groups))]
        values = [medians.get((group, year)) or 0 for group in groups]
        label = _label(year, 10)
        axes.bar(places, values, width * 0.92, color=colors[number % len(colors)], label=label)
        for place, value in zip(places, values, strict=True):
            shift, turn = ((0, 3), 0) if len(years) < 4 and frame is WIDE else ((0, 4), 90)
            _mark(axes, value, (place, value), shift, ha="center", rotation=turn)
    axes.set_xticks(range(len(groups)), [_label(group, 10) for group in groups])
    axes.margins(y=0.16 if frame is WIDE else 0.22)
    axes.set_xlabel("age group")
    axes.set_ylabel("median follower count")
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    figure.legend(title="year of joining", ncols=len(years), loc="outside upper left", frameon=False)
    _clean(axes, "y")


_DRAWERS: dict[str, Callable[[Any, Any, Rows, _Frame], None]] = {
    "q1": _popular_by_country,
    "q2": _posts_by_year,
    "q3a": _top_posters,
    "q3b": _top_countries,
    "q4": _popular_by_age,
    "q5": _median_by("age_group", "age group"),
    "q6": _joined_by_year,
    "q7": _median_by("post_year", "year of joining"),
    "q8": _median_by_age_and_year,
}
