"""The command that prints results."""

from contextlib import aclosing
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.failures import print_failures
from headrace._cli.json_lines import write_json, write_json_now
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.output.formats import Format
from headrace._cli.process.streams import interruption_explained
from headrace._cli.text import echo, result_row
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
    summary: Annotated[
        bool, typer.Option("--summary", help="Count failed items by reason instead of printing results.")
    ] = False,
) -> None:
    """Print a job's results: index, state, and output or error.

    Results are ordered by index. With --follow, they come in the order of recording.
    """

    async def work(client: Client) -> int:
        if not follow:
            return await show(client)
        again = f"headrace results {job_id} --follow"
        with interruption_explained(f"interrupted; the job continues. To follow again: {again}"):
            return await show(client)

    async def show(client: Client) -> int:
        if summary:
            if follow:
                await _wait_for_end(client, job_id)
            await print_failures(client, job_id, Format.JSONL if options.json else Format.TABLE)
            return DONE
        found = client.results(job_id, follow=follow, item_state=ItemState.FAILED if failed else None)
        async with aclosing(found):
            async for result in found:
                _print_result(result, options.json, now=follow)
        return DONE

    execute(options, work)


def _print_result(result: Result, json: bool, now: bool) -> None:
    if json:
        write_json_now(result) if now else write_json(result)
    else:
        echo(result_row(result), flush=now)


async def _wait_for_end(client: Client, job_id: str) -> None:
    async with aclosing(client.watch(job_id)) as events:
        async for _ in events:
            pass
