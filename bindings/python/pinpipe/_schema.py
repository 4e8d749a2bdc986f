"""Turns the core's tables of record types, columns and rules into typed Python objects.

Never knows a column: all comes from the C core.
Rules: CONTRACT §3 (`pinpipe.schema`) and §4; libpinpipe/schema/*.def.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from pinpipe import native
from pinpipe.errors import InvalidArgumentError

KINDS: tuple[str, ...] = tuple(native.pinpipe_record_name(i) for i in range(native.pinpipe_record_count()))
SHAPES = {"raw": native.PINPIPE_RAW, "clean": native.PINPIPE_CLEAN}
DIALECTS = {
    "spark": native.PINPIPE_DIALECT_SPARK,
    "sqlite": native.PINPIPE_DIALECT_SQLITE,
    "mysql": native.PINPIPE_DIALECT_MYSQL,
    "postgresql": native.PINPIPE_DIALECT_POSTGRESQL,
    "duckdb": native.PINPIPE_DIALECT_DUCKDB,
    "arrow": native.PINPIPE_DIALECT_ARROW,
    "csv": native.PINPIPE_DIALECT_CSV,
}


def choose(what: str, value: str, choices: dict[str, Any]) -> Any:
    """The entry of a closed list, or an error that names the list."""
    if value not in choices:
        raise InvalidArgumentError(f"{what} '{value}' is not one of {', '.join(choices)}")
    return choices[value]


def kind_index(kind: str) -> int:
    """The core's number of a record type."""
    return int(choose("record type", kind, {name: i for i, name in enumerate(KINDS)}))


class Column(NamedTuple):
    """One column of a schema."""

    name: str
    type: str
    nullable: bool
    source: str


class Rule(NamedTuple):
    """One rule of cleaning.

    effect: nulled, kept, ignored, rejected, filled, dropped or off; text: what triggers it, compared as `match` says
    (exact, prefix); value: what filled writes.
    """

    id: str
    effect: str
    text: str
    match: str
    value: str
    source: str


_TYPE_NAMES = {
    native.PINPIPE_TYPE_I64: "int64",
    native.PINPIPE_TYPE_F64: "double",
    native.PINPIPE_TYPE_TEXT: "utf8",
    native.PINPIPE_TYPE_TIME_US: "timestamp[us, UTC]",
    native.PINPIPE_TYPE_F64_LIST: "list<double>",
}


class Schema:
    """The columns of a record type in one shape, in every dialect."""

    def __init__(self, kind: str, shape: str = "clean") -> None:
        """kind: pin, geo or user; shape: raw or clean."""
        self.kind = kind
        self.shape = shape
        self._record = kind_index(kind)
        self._shape = int(choose("shape", shape, SHAPES))

    @property
    def columns(self) -> list[Column]:
        """The columns in order."""
        return [
            Column(name, _TYPE_NAMES[type_], bool(nullable), source)
            for name, type_, nullable, source in native.schema_columns(self._record, self._shape)
        ]

    @property
    def names(self) -> list[str]:
        """The columns' names in order."""
        return [column.name for column in self.columns]

    @property
    def rules(self) -> list[Rule]:
        """Every rule that cleaning into this shape may apply."""
        return [Rule(*row) for row in native.schema_rules(self._record, self._shape)]

    def render(self, dialect: str) -> str:
        """The schema as text of a dialect: spark, sqlite, mysql, postgresql, duckdb, arrow or csv."""
        code = choose("schema dialect", dialect, DIALECTS)
        return cast(bytes, native.pinpipe_schema_render(self._record, self._shape, code)).decode()

    def spark(self) -> str:
        """Spark's DDL, as from_json(), DataFrameReader.schema() and CREATE TABLE take it."""
        return self.render("spark")

    def sql(self, dialect: str) -> str:
        """A CREATE TABLE statement for sqlite, mysql, postgresql or duckdb."""
        return self.render(dialect)

    def csv_header(self) -> str:
        """The header line of a CSV file, without line end."""
        return self.render("csv").rstrip("\n")

    def arrow(self) -> Any:
        """A pyarrow.Schema; needs pyarrow."""
        import pyarrow as pa

        return pa.schema(self)

    def __arrow_c_schema__(self) -> object:
        """The Arrow PyCapsule interface."""
        return native.schema_capsule(self._record, self._shape)

    def __eq__(self, other: object) -> bool:
        """Equal when record type and shape are."""
        return isinstance(other, Schema) and (self.kind, self.shape) == (other.kind, other.shape)

    def __hash__(self) -> int:
        """By record type and shape."""
        return hash((self.kind, self.shape))

    def __repr__(self) -> str:
        """Such as Schema('pin', 'clean')."""
        return f"Schema({self.kind!r}, {self.shape!r})"


def schema(kind: str, shape: str = "clean") -> Schema:
    """The schema of a record type: pinpipe.schema("pin", "clean").spark()."""
    return Schema(kind, shape)
