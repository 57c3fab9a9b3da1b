"""Finds the delimiter of CSV."""

import csv
from io import StringIO

_DELIMITERS = (",", "\t", ";", "|")
_ROWS = 50


def find_delimiter(begin: str) -> str | None:
    """Returns the delimiter of CSV text, or None for text with a single column.

    The delimiter that splits most rows into as many cells as the header wins, then the one with most columns.

    Args:
        begin: First characters of the text.
    """
    best, best_score = None, (0.0, 0)
    for delimiter in _DELIMITERS:
        rows = _rows(begin, delimiter)
        if len(rows) > 1 and not begin.endswith("\n"):
            rows.pop()  # it may be cut
        if rows and len(rows[0]) > 1:
            alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            best, best_score = max((best, best_score), (delimiter, (alike, len(rows[0]))), key=_score)
    return best


def _score(choice: tuple[str | None, tuple[float, int]]) -> tuple[float, int]:
    return choice[1]


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == _ROWS:
                break
    except csv.Error:  # a cell that is too long
        pass
    return rows
