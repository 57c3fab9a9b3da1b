"""Prints objects as they come, in a chosen format."""

import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import orjson

from headrace._cli.json_lines import json_bytes, write_bytes, write_json
from headrace._cli.output.csv_rows import csv_cells, csv_columns, csv_line
from headrace._cli.output.formats import Format
from headrace._cli.output.views import View
from headrace._cli.process.streams import say
from headrace._cli.text import echo
from headrace._data.output.result_lines import read_line

T = TypeVar("T")

# Rows of a table that are laid out together. Later ones keep the widths of the first.
_BLOCK_ROWS = 1000


class _Form(Protocol):
    """One format: prints each object, and what follows the last one."""

    def add(self, value: Any) -> None: ...
    def end(self) -> None: ...


class Printer(Generic[T]):
    """Prints objects in a format. Use it as a context manager: the last rows come at its end.

    Args:
        view: Columns and names of the objects.
        format: Format of the output.
        single: Whether there is one object, which JSON and YAML print without a list.
    """

    def __init__(self, view: View[T], format: Format, *, single: bool = False) -> None:
        self._form: _Form
        if format.is_table:
            self._form = _Rows(view, format)
        elif format is Format.JSON:
            self._form = _Document() if single else _Array()
        elif format is Format.YAML:
            self._form = _Yaml(single)
        elif format is Format.CSV:
            self._form = _Csv(view)
        else:
            self._form = _Lines(view, format)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or isinstance(self._form, _Rows):  # an array that broke off is not closed
            self._form.end()
        if error is None and isinstance(self._form, _Rows):
            self._form.note_none()

    def add(self, value: T) -> None:
        """Prints an object, or keeps it until there are more."""
        self._form.add(value)

    def add_now(self, value: T) -> None:
        """Prints an object at once, for a reader that waits for it."""
        self._form.add(value)
        if isinstance(self._form, _Rows):
            self._form.end()
        sys.stdout.flush()


def print_all(view: View[T], format: Format, values: Iterable[T]) -> None:
    """Prints objects in a format."""
    with Printer(view, format) as printer:
        for value in values:
            printer.add(value)


class _Rows:
    def __init__(self, view: View[Any], format: Format) -> None:
        from headrace._cli.output.layout import TableLayout  # imports a part of rich

        columns = [each for each in view.columns if format is Format.WIDE or not each.is_wide]
        self._layout = TableLayout(columns)
        self._none = view.none
        self._has_header = False
        self._waiting: list[Any] = []

    def add(self, value: Any) -> None:
        self._waiting.append(value)
        if len(self._waiting) == _BLOCK_ROWS:
            self.end()

    def end(self) -> None:
        if not self._waiting:
            return
        sys.stdout.write(self._text())
        sys.stdout.flush()
        self._waiting, self._has_header = [], True

    def note_none(self) -> None:
        """Tells a person at a terminal that there are no rows."""
        if not self._has_header and sys.stderr.isatty():
            say(self._none)

    def _text(self) -> str:
        if not sys.stdout.isatty() and not os.environ.get("FORCE_COLOR"):
            return self._layout.plain_text(self._waiting, not self._has_header)
        from headrace._cli.output.tables import styled_text  # imports rich

        return styled_text(self._layout, self._waiting, not self._has_header)


class _Lines:
    def __init__(self, view: View[Any], format: Format) -> None:
        self._name = view.name if format is Format.NAME else None

    def add(self, value: Any) -> None:
        write_json(value) if self._name is None else echo(self._name(value), flush=False)

    def end(self) -> None:
        pass


class _Document:
    def add(self, value: Any) -> None:
        write_json(value, orjson.OPT_INDENT_2)

    def end(self) -> None:
        pass


class _Array:
    def __init__(self) -> None:
        self._before = "["

    def add(self, value: Any) -> None:
        text = json_bytes(value, orjson.OPT_INDENT_2).decode().rstrip().replace("\n", "\n  ")
        write_bytes(f"{self._before}\n  {text}".encode())
        self._before = ","

    def end(self) -> None:
        write_bytes(b"[]\n" if self._before == "[" else b"\n]\n")


class _Csv:
    def __init__(self, view: View[Any]) -> None:
        self._columns = csv_columns(view.resource)
        self._has_header = False

    def add(self, value: Any) -> None:
        self._begin()
        _write_text(csv_line(csv_cells(self._columns, read_line(json_bytes(value)))))

    def end(self) -> None:
        self._begin()

    def _begin(self) -> None:
        if not self._has_header:
            _write_text(csv_line(self._columns))
            self._has_header = True


class _Yaml:
    def __init__(self, single: bool) -> None:
        self._single = single
        self._is_empty = True

    def add(self, value: Any) -> None:
        import yaml

        dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        plain = read_line(json_bytes(value))
        # On a terminal, escapes replace what it would obey.
        _write_text(
            yaml.dump(
                plain if self._single else [plain],
                Dumper=dumper,
                sort_keys=False,
                allow_unicode=not sys.stdout.isatty(),
                width=10_000,
            )
        )
        self._is_empty = False

    def end(self) -> None:
        if self._is_empty and not self._single:
            _write_text("[]\n")


def _write_text(text: str) -> None:
    """Writes text to stdout: exactly, or without control characters on a terminal."""
    if sys.stdout.isatty():
        echo(text.removesuffix("\n"))
    else:
        write_bytes(text.encode())
