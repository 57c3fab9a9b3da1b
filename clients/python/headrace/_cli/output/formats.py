"""The forms in which commands print jobs, workers, kinds and failures: ``--format``."""

from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """Form of the output of a command that lists or gets something."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    CSV = "csv"
    NAME = "name"

    @property
    def is_table(self) -> bool:
        """Whether the output is a table for people."""
        return self in (Format.TABLE, Format.WIDE)


FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-o",
        case_sensitive=False,
        help="Output format. wide: a table with more columns; jsonl: the same as --json; name: only the ids.",
    ),
]
LinesFormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-o",
        case_sensitive=False,
        help="Output format. Default: a line of text each. wide: a table with more columns; jsonl: the same "
        "as --json; name: only the numbers.",
    ),
]


def chosen_format(asked: Format | None, json: bool) -> Format:
    """Returns the format of the output: the one of ``--format``, jsonl with ``--json``, or else a table.

    Raises:
        typer.BadParameter: Both were given, and they differ.
    """
    return asked_format(asked, json) or Format.TABLE


def asked_format(asked: Format | None, json: bool) -> Format | None:
    """Returns the format that was asked for, or None.

    Raises:
        typer.BadParameter: ``--json`` and another format were given.
    """
    if json and asked not in (None, Format.JSONL):
        raise typer.BadParameter("--json is the format jsonl: give --json or --format, not both")
    return Format.JSONL if json else asked
