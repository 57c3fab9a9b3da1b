"""SQL that is written once and runs on PostgreSQL and SQLite.

Statements use the dialect of PostgreSQL, plus two marks:

``ROWS(r: job_id text, item_index bigint)`` is a table of any number of rows that the caller passes: one
parameter per column on PostgreSQL, one parameter in all on SQLite. So the text does not vary with their
number.

``NOW()`` is the clock of the database, in microseconds.

``CHANGE_XID()`` is the number of the running transaction, ``CHANGE_HORIZON()`` the number below which all
transactions have ended, and ``NEXT_XID()`` the number of the next one. SQLite counts changes instead.

SQLite has one writer, so row locks (``FOR UPDATE`` ...) are dropped for it. A ``uuid`` is text there.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.results.database.clock import Clock

_ROWS = re.compile(r"ROWS\((\w+): ([^()]*)\)")
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_LOCK = re.compile(r"\bFOR UPDATE( OF \w+)?( SKIP LOCKED)?")
_POSTGRESQL_NOW = (
    "(CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) + CAST(:clock_offset AS bigint))"
)
# (PostgreSQL, SQLite). SQLite has one writer, so its changes are counted in the order of their commits.
_CHANGE_MARKS = {
    "CHANGE_XID()": (
        "CAST(CAST(pg_current_xact_id() AS text) AS bigint)",
        "(SELECT s.change_count + 1 FROM store_state s)",
    ),
    "CHANGE_HORIZON()": (
        "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
        "(SELECT s.change_count + 1 FROM store_state s)",
    ),
    "NEXT_XID()": (
        "CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)",
        "(SELECT s.change_count + 1 FROM store_state s)",
    ),
}


@dataclass(frozen=True)
class Statement:
    """A statement of one dialect.

    Attributes:
        text: Text for the driver, with parameters as ``$1`` on PostgreSQL and as ``:name`` on SQLite.
        names: Names of the parameters, in the order of their numbers.
        columns: Column names of each table of rows, by the name of the table.
        reads_clock: Whether it contains NOW().
    """

    text: str
    names: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    reads_clock: bool


@functools.cache
def prepare(template: str, sqlite: bool) -> Statement:
    """Returns the statement for one dialect. The result is cached."""
    columns: dict[str, tuple[str, ...]] = {}

    def table(match: re.Match[str]) -> str:
        alias, specs = match[1], [spec.strip().split(" ", 1) for spec in match[2].split(",")]
        columns[alias] = tuple(name for name, _ in specs)
        return (_sqlite_rows if sqlite else _postgresql_rows)(alias, specs)

    sql = _ROWS.sub(table, template)
    reads_clock = "NOW()" in sql
    for mark, forms in _CHANGE_MARKS.items():
        sql = sql.replace(mark, forms[sqlite])
    if sqlite:
        sql = _LOCK.sub("", sql).replace("NOW()", ":now")
        sql = sql.replace("GREATEST(", "max(").replace("LEAST(", "min(").replace(" AS uuid)", " AS text)")
    else:
        sql = sql.replace("NOW()", _POSTGRESQL_NOW)
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    if not sqlite:
        numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
        sql = _PARAMETER.sub(lambda match: numbers[match[1]], sql)
    return Statement(sql, names, columns, reads_clock)


def parameters(
    statement: Statement,
    sqlite: bool,
    clock: Clock,
    plain: Mapping[str, Any],
    rows: Mapping[str, Sequence[Sequence[Any]]],
) -> dict[str, Any]:
    """Returns the parameters of a statement, by name.

    Args:
        statement: The statement.
        sqlite: Whether it is for SQLite.
        clock: Clock for a statement that contains NOW().
        plain: Plain parameters.
        rows: Rows of each of its tables of rows.
    """
    values = dict(plain)
    for alias, names in statement.columns.items():
        if sqlite:
            values[alias] = json.dumps(rows[alias])
        else:
            columns = list(zip(*rows[alias], strict=True)) or [()] * len(names)
            values.update((f"{alias}_{name}", list(c)) for name, c in zip(names, columns, strict=True))
    if statement.reads_clock:
        values |= {"now": clock.local_now()} if sqlite else {"clock_offset": clock.offset}
    return values


def _postgresql_rows(alias: str, specs: Sequence[Sequence[str]]) -> str:
    arrays = ", ".join(f"CAST(:{alias}_{name} AS {type_name}[])" for name, type_name in specs)
    return f"unnest({arrays}) AS {alias}({', '.join(name for name, _ in specs)})"


def _sqlite_rows(alias: str, specs: Sequence[Sequence[str]]) -> str:
    columns = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, (name, _) in enumerate(specs)
    )
    return f"(SELECT {columns} FROM json_each(:{alias})) AS {alias}"
