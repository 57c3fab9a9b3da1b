"""Columns of a table of results: fixed ones, and the fields of outputs and inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace._data.output.value_kinds import INTEGER, JSON, NOTHING, TEXT, common_kind, kind_of

MAX_FIELDS = 1000
_USAGE = ("call_count", "input_tokens", "output_tokens", "cached_tokens", "cost_micros")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Name, such as ``output.label``.
        kind: Narrowest kind of value that holds all of its cells.
        has_gaps: Whether some cells are null.
    """

    name: str
    kind: str
    has_gaps: bool


class _Values:
    """The values of one column so far."""

    def __init__(self) -> None:
        self.kind = NOTHING
        self.count = 0

    def add(self, value: Any) -> None:
        if value is not None:
            self.kind = common_kind(self.kind, kind_of(value))
            self.count += 1


class PayloadColumns:
    """Columns of the outputs or the inputs: one for each field of the first level.

    A value that is not an object goes into a column of its own. So does every value, whole, once there are
    over 1,000 different fields: outputs whose fields are data would make a column of each.

    Args:
        prefix: ``output`` or ``input``.
        is_open: Whether values with other fields may come after the columns are fixed. They go whole into a
            column of their own.
    """

    def __init__(self, prefix: str, *, is_open: bool = False) -> None:
        self._prefix = prefix
        self._is_open = is_open
        self._fields: dict[str, _Values] = {}
        self._whole = _Values()
        self._is_split = True

    def add(self, value: Any) -> None:
        """Extends the columns by those of a value."""
        if value is None:
            return
        if not isinstance(value, dict) or not self._is_split:
            self._whole.add(value)
            return
        for name, member in value.items():
            self._fields.setdefault(name, _Values()).add(member)
        if len(self._fields) > MAX_FIELDS:
            self._is_split = False
            self._fields = {}
            self._whole.kind = JSON

    @property
    def _has_whole(self) -> bool:
        return self._is_open or not self._is_split or self._whole.count > 0

    def columns(self, row_count: int) -> list[Column]:
        """Returns the columns of a table with this number of rows."""
        columns = [
            Column(f"{self._prefix}.{name}", values.kind, has_gaps=values.count < row_count)
            for name, values in self._fields.items()
        ]
        if self._has_whole:
            columns.append(Column(self._prefix, self._whole.kind, has_gaps=True))
        return columns

    def cells(self, value: Any) -> list[Any]:
        """Returns the cells of a value, one for each column."""
        fields = value if isinstance(value, dict) and self._is_split else {}
        if self._is_open and not fields.keys() <= self._fields.keys():
            fields = {}
        cells = [fields.get(name) for name in self._fields]
        if self._has_whole:
            cells.append(None if fields else value)
        return cells


class ResultColumns:
    """Columns of a table of results, from the results that were added.

    Args:
        has_inputs: Whether the results bring their inputs.
        is_open: Whether rows with other fields may come after the columns are fixed.
    """

    def __init__(self, *, has_inputs: bool, is_open: bool = False) -> None:
        self._output = PayloadColumns("output", is_open=is_open)
        self._input = PayloadColumns("input", is_open=is_open) if has_inputs else None
        self._row_count = 0

    def add(self, fields: dict[str, Any]) -> None:
        """Extends the columns by those of a result."""
        self._row_count += 1
        self._output.add(fields["output"])
        if self._input is not None:
            self._input.add(fields["input"])

    def columns(self) -> Sequence[Column]:
        """Returns the columns, in order."""
        return [
            Column("item_index", INTEGER, has_gaps=False),
            Column("item_key", TEXT, has_gaps=True),
            Column("state", TEXT, has_gaps=False),
            *self._output.columns(self._row_count),
            Column("error.reason", TEXT, has_gaps=True),
            Column("error.message", TEXT, has_gaps=True),
            Column("attempt_count", INTEGER, has_gaps=False),
            *(Column(f"usage.{name}", INTEGER, has_gaps=False) for name in _USAGE),
            *(self._input.columns(self._row_count) if self._input is not None else ()),
        ]

    def cells(self, fields: dict[str, Any]) -> list[Any]:
        """Returns the cells of a result, in the order of the columns."""
        error, usage = fields["error"] or {}, fields["usage"]
        return [
            fields["item_index"],
            fields["item_key"] or None,
            fields["state"],
            *self._output.cells(fields["output"]),
            error.get("reason"),
            error.get("message"),
            fields["attempt_count"],
            *(usage[name] for name in _USAGE),
            *(self._input.cells(fields["input"]) if self._input is not None else ()),
        ]
