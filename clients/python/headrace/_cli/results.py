"""The command that prints results, and writes them to files."""

from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from headrace._cli.execution import DONE, errors_printed, execute
from headrace._cli.failures import print_failures
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.output.formats import Format
from headrace._cli.output.item_views import RESULTS
from headrace._cli.output.printing import Printer
from headrace._cli.output.result_files import ResultOutput, chosen_format, write_results
from headrace._cli.process.streams import interruption_explained
from headrace._cli.text import echo, printable, result_row
from headrace._data.output.formats import OutputFormat
from headrace._reading.results import query_of
from headrace.client import Client
from headrace.resources import ItemState

_FORMATS = ("jsonl", "csv", "tsv", "parquet", "arrow", "table", "wide", "json", "yaml", "name")


def _complete_formats(incomplete: str) -> list[str]:
    return [name for name in _FORMATS if name.startswith(incomplete.lower())]


@takes_call_options
def results(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    follow: Annotated[
        bool, typer.Option("--follow", help="Also print later results as they come, until the job has ended.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only results of failed items.")] = False,
    include_inputs: Annotated[
        bool, typer.Option("--include-inputs", help="With each result, the input of its item.")
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count failed items by reason instead of printing results.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write to a file. After Ctrl-C or a crash, the same command continues where it stopped.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-o",
            metavar="NAME",
            help="Form of the output, in a file or on stdout: jsonl, csv, tsv, parquet or arrow; text also "
            "with .gz or .zst, such as csv.gz. On stdout also table, wide, json, yaml or name (only the "
            "indexes). Default: by the name of the file, or a line of text each on stdout.",
            autocompletion=_complete_formats,
        ),
    ] = None,
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas",
            help="In CSV and TSV, put an apostrophe before text that a spreadsheet would run as a formula.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that holds something else.")
    ] = False,
) -> None:
    """Print a job's results, or write them to a file.

    A line has the index, the key if the item has one, the state, the output or error, and the input if asked.

    Results are ordered by index. With --follow, they come in the order of recording.
    """
    output = None if str(output) == "-" else output
    with errors_printed(options):
        wanted = chosen_format(output, format, json=options.json)
    counted = _summary_format(output, wanted, json=options.json) if summary else Format.TABLE
    if escape_formulas and not (isinstance(wanted, OutputFormat) and wanted.name in ("csv", "tsv")):
        raise typer.BadParameter("--escape-formulas is for CSV and TSV")
    printed = _printed_format(output, wanted, json=options.json)

    async def work(client: Client) -> int:
        if not follow and output is None:
            return await show(client)
        with interruption_explained(_after_interruption(job_id, output)):
            return await show(client)

    async def show(client: Client) -> int:
        if summary:
            if follow:
                await _wait_for_end(client, job_id)
            await print_failures(client, job_id, counted)
            return DONE
        found = client.results(
            job_id,
            follow=follow,
            item_state=ItemState.FAILED if failed else None,
            include_inputs=include_inputs,
        )
        if printed is None and isinstance(wanted, OutputFormat):
            await write_results(query_of(found), ResultOutput(output, wanted, escape_formulas, overwrite))
            return DONE
        async with aclosing(found):
            if printed is None:
                async for result in found:
                    echo(result_row(result), flush=follow)
                return DONE
            with Printer(RESULTS, printed) as printer:
                async for result in found:
                    printer.add_now(result) if follow else printer.add(result)
        return DONE

    execute(options, work)


def _after_interruption(job_id: str, output: Path | None) -> str:
    if output is not None:
        return f"interrupted; the same command continues {printable(str(output))}"
    return f"interrupted; the job continues. To follow again: headrace results {job_id} --follow"


def _printed_format(
    output: Path | None, wanted: OutputFormat | Format | None, *, json: bool
) -> Format | None:
    """Returns the format in which results are printed one by one. None: as lines of text, or not so."""
    if isinstance(wanted, Format):
        return wanted
    is_lines = json if wanted is None else wanted.is_lines
    return Format.JSONL if output is None and is_lines else None


def _summary_format(output: Path | None, wanted: OutputFormat | Format | None, *, json: bool) -> Format:
    """Returns the format of counted failures, which every listing has."""
    if output is not None:
        raise typer.BadParameter("--summary counts failed items and writes no results")
    if isinstance(wanted, Format):
        return wanted
    if wanted is None:
        return Format.JSONL if json else Format.TABLE
    if wanted.compression or wanted.name not in (Format.CSV, Format.JSONL):
        raise typer.BadParameter(f"--summary counts failed items, in one of {', '.join(Format)}")
    return Format(wanted.name)


async def _wait_for_end(client: Client, job_id: str) -> None:
    async with aclosing(client.watch(job_id)) as events:
        async for _ in events:
            pass
