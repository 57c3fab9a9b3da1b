"""SQL that is written once and runs on PostgreSQL and SQLite.

Statements are written in the words of PostgreSQL, plus two marks:

``ROWS(r: job_id text, item_index bigint)`` is a table of rows that the caller gives along, of any number,
in one parameter a column (PostgreSQL) or one parameter in all (SQLite), so the text never varies with it.

``NOW()`` is the database's clock in microseconds.

SQLite has one writer, so row locks (``FOR UPDATE`` ...) are left out for it.
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


@dataclass(frozen=True)
class Statement:
    """A statement of one dialect.

    Attributes:
        text: As its driver runs it: on PostgreSQL with ``$1`` for a parameter, on SQLite with ``:name``.
        names: The names of the parameters, in the order of their numbers.
        columns: Of each table of rows, by its name, the names of its columns.
        tells_time: Whether NOW() is in it.
    """

    text: str
    names: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    tells_time: bool


@functools.cache
def prepare(template: str, sqlite: bool) -> Statement:
    """Returns the statement of a dialect; a second call returns the same object."""
    columns: dict[str, tuple[str, ...]] = {}

    def table(match: re.Match[str]) -> str:
        alias, specs = match[1], [spec.strip().split(" ", 1) for spec in match[2].split(",")]
        columns[alias] = tuple(name for name, _ in specs)
        return (_sqlite_rows if sqlite else _postgresql_rows)(alias, specs)

    sql = _ROWS.sub(table, template)
    tells_time = "NOW()" in sql
    if sqlite:
        sql = _LOCK.sub("", sql).replace("NOW()", ":now")
        sql = sql.replace("GREATEST(", "max(").replace("LEAST(", "min(")
    else:
        sql = sql.replace("NOW()", _POSTGRESQL_NOW)
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    if not sqlite:
        numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
        sql = _PARAMETER.sub(lambda match: numbers[match[1]], sql)
    return Statement(sql, names, columns, tells_time)


def parameters(
    statement: Statement,
    sqlite: bool,
    clock: Clock,
    plain: Mapping[str, Any],
    rows: Mapping[str, Sequence[Sequence[Any]]],
) -> dict[str, Any]:
    """Returns what to run a statement with.

    Args:
        statement: The statement.
        sqlite: Whether it is SQLite's.
        clock: Gives the time where the statement asks for it.
        plain: Its plain parameters.
        rows: The rows of each of its tables.
    """
    given = dict(plain)
    for alias, names in statement.columns.items():
        if sqlite:
            given[alias] = json.dumps(rows[alias])
        else:
            columns = list(zip(*rows[alias], strict=True)) or [()] * len(names)
            given.update((f"{alias}_{name}", list(c)) for name, c in zip(names, columns, strict=True))
    if statement.tells_time:
        given |= {"now": clock.local_now()} if sqlite else {"clock_offset": clock.offset}
    return given


def _postgresql_rows(alias: str, specs: Sequence[Sequence[str]]) -> str:
    arrays = ", ".join(f"CAST(:{alias}_{name} AS {type_name}[])" for name, type_name in specs)
    return f"unnest({arrays}) AS {alias}({', '.join(name for name, _ in specs)})"


def _sqlite_rows(alias: str, specs: Sequence[Sequence[str]]) -> str:
    columns = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, (name, _) in enumerate(specs)
    )
    return f"(SELECT {columns} FROM json_each(:{alias})) AS {alias}"  # noqa: S608  # constants alone
