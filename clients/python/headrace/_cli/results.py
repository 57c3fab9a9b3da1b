"""The command that prints results, and writes them to files."""

from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from headrace._cli.execution import DONE, errors_printed, execute
from headrace._cli.failures import print_failures
from headrace._cli.json_lines import write_json, write_json_now
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.output.result_files import ResultOutput, chosen_format, write_results
from headrace._cli.process.streams import interruption_explained
from headrace._cli.text import echo, printable, result_row
from headrace._reading.results import query_of
from headrace.client import Client
from headrace.resources import ItemState, Result


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
            metavar="NAME",
            help="jsonl, csv, tsv, parquet or arrow; text also with .gz or .zst, such as csv.gz. "
            "Default: by the name of the file, or lines for people on stdout.",
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
    if summary and (output is not None or format is not None):
        raise typer.BadParameter("--summary counts failed items and writes no results")
    if escape_formulas and (wanted is None or wanted.name not in ("csv", "tsv")):
        raise typer.BadParameter("--escape-formulas is for CSV and TSV")
    prints_lines = output is None and (wanted is None or wanted.is_lines)
    prints_json = options.json or wanted is not None

    async def work(client: Client) -> int:
        if not follow and output is None:
            return await show(client)
        with interruption_explained(_after_interruption(job_id, output)):
            return await show(client)

    async def show(client: Client) -> int:
        if summary:
            if follow:
                await _wait_for_end(client, job_id)
            await print_failures(client, job_id, options.json)
            return DONE
        found = client.results(
            job_id,
            follow=follow,
            item_state=ItemState.FAILED if failed else None,
            include_inputs=include_inputs,
        )
        if wanted is not None and not prints_lines:
            await write_results(query_of(found), ResultOutput(output, wanted, escape_formulas, overwrite))
            return DONE
        async with aclosing(found):
            async for result in found:
                _print_result(result, prints_json, now=follow)
        return DONE

    execute(options, work)


def _after_interruption(job_id: str, output: Path | None) -> str:
    if output is not None:
        return f"interrupted; the same command continues {printable(str(output))}"
    return f"interrupted; the job continues. To follow again: headrace results {job_id} --follow"


def _print_result(result: Result, json: bool, now: bool) -> None:
    if json:
        write_json_now(result) if now else write_json(result)
    else:
        echo(result_row(result), flush=now)


async def _wait_for_end(client: Client, job_id: str) -> None:
    async with aclosing(client.watch(job_id)) as events:
        async for _ in events:
            pass
