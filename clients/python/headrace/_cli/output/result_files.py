"""Writes the results of a command to a file, or to stdout in a format for programs."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from headrace._cli.execution import BadInputError
from headrace._cli.output.formats import Format
from headrace._cli.process.streams import say
from headrace._cli.text import printable
from headrace._data.output.formats import OutputFormat, format_of_file, parse_format
from headrace._reading.result_download import Target, download
from headrace._reading.result_export import export_to_stream
from headrace._reading.result_query import ResultQuery
from headrace.errors import HeadraceError, InvalidArgumentError

FILE_FORMATS = "jsonl, csv, tsv, parquet or arrow"

_ONLY_PRINTED = (Format.TABLE, Format.WIDE, Format.JSON, Format.YAML, Format.NAME)
_LAYOUT = "\n\t"


@dataclass(frozen=True)
class ResultOutput:
    """A file for results, or stdout.

    Attributes:
        path: The file. None: stdout.
        form: Format.
        escape_formulas: Whether text that a spreadsheet would run gets an apostrophe in front.
        overwrite: Whether to replace a file that holds something else.
    """

    path: Path | None
    form: OutputFormat
    escape_formulas: bool
    overwrite: bool


def chosen_format(path: Path | None, name: str | None, *, json: bool) -> OutputFormat | Format | None:
    """Returns the format that the options of a command choose. None: lines for people.

    Formats of files are the same on stdout. Those of other listings are for stdout alone.

    Raises:
        BadInputError: The format is not known, or the options contradict each other.
    """
    if name is not None and name.lower() in _ONLY_PRINTED:
        if json:
            raise BadInputError(f"--json prints JSON lines, and the format is {name}: leave out one")
        if path is not None:
            raise BadInputError(f"--output writes {FILE_FORMATS}: for {name}, redirect stdout instead")
        return Format(name.lower())
    form = _file_format(path, name, json)
    if form is None:
        return None
    if json and form.name != "jsonl":
        raise BadInputError(f"--json prints JSON lines, and the format is {form.name}: leave out one")
    if path is None and form.is_binary and sys.stdout.isatty():
        raise BadInputError(f"{form.name} is not for a terminal: add --output FILE, or pipe it to a program")
    return form


def _file_format(path: Path | None, name: str | None, json: bool) -> OutputFormat | None:
    try:
        if name is not None:
            return parse_format(name)
        if path is None:
            return None
        return parse_format("jsonl") if json and not path.suffix else format_of_file(path)
    except InvalidArgumentError as error:
        others = "" if name is None or path is not None else f", or {', '.join(_ONLY_PRINTED)}"
        raise BadInputError(f"{error.message}{others}") from None


async def write_results(query: ResultQuery, output: ResultOutput) -> None:
    """Writes all results, and prints their number to stderr if they go to a file."""
    if output.path is None:
        await export_to_stream(query, _stdout(), output.form, escape_formulas=output.escape_formulas)
        return
    try:
        target = Target(output.path, output.form, output.escape_formulas, output.overwrite)
        done = await download(query, target)
    except (HeadraceError, OSError) as error:
        if not isinstance(error, InvalidArgumentError) and _state_of(output.path).exists():
            say(f"what was read so far is kept; the same command continues {printable(str(output.path))}")
        raise
    more = "" if done.is_complete else "; the job has not ended: the same command adds its later results"
    say(f"{done.result_count:,} results in {printable(str(output.path))}{more}")


def _state_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.headrace")


def _stdout() -> BinaryIO:
    return cast(BinaryIO, _Terminal()) if sys.stdout.isatty() else sys.stdout.buffer


class _Terminal:
    """A terminal as a binary file, without characters that it would obey."""

    def write(self, data: bytes) -> int:
        text = data.decode(errors="replace")
        sys.stdout.write("".join(c if c in _LAYOUT else printable(c) for c in text))
        return len(data)

    def flush(self) -> None:
        sys.stdout.flush()
