"""Writes objects as CSV: a column for each field, with those of nested objects behind a dot."""

import csv
import io
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson

# Texts that are written as the values next to them.
_TEXTS = ("input_text", "output_text")


def csv_columns(resource: type) -> list[str]:
    """Returns the columns of a dataclass, such as ``progress.total_count``."""
    return list(_columns(resource, ""))


def csv_line(cells: list[str]) -> str:
    """Returns cells as a line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def csv_cells(columns: list[str], plain: dict[str, Any]) -> list[str]:
    """Returns the cells of an object. Null is an empty cell; lists and objects are JSON."""
    return [_cell(_member(plain, column.split("."))) for column in columns]


def _columns(resource: type, before: str) -> Iterator[str]:
    types = get_type_hints(resource)
    for member in fields(resource):
        if member.name in _TEXTS:
            continue
        kind = types[member.name]
        alternatives = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        nested = next((each for each in alternatives if is_dataclass(each)), None)
        if isinstance(nested, type):
            yield from _columns(nested, f"{before}{member.name}.")
        else:
            yield f"{before}{member.name}"


def _member(plain: Any, path: list[str]) -> Any:
    for name in path:
        plain = None if plain is None else plain.get(name)
    return plain


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
