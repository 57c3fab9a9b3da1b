"""The command that groups the failed items of a job by reason."""

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.json_lines import write_json
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.text import REASON_HEADER, failure_lines
from headrace.client import Client


@takes_call_options
def failures(options: CallOptions, *, job_id: JobIdArgument) -> None:
    """Count a job's failed items by reason, with an example and the provider's words, most frequent first."""

    async def work(client: Client) -> int:
        await print_failures(client, job_id, options.json)
        return DONE

    execute(options, work)


async def print_failures(client: Client, job_id: str, json: bool) -> None:
    """Prints each reason with its number of items and its first item, most frequent first."""
    groups = await client.failures(job_id)
    if groups and not json:
        typer.echo(REASON_HEADER)
    for group in groups:
        if json:
            write_json(group)
            continue
        for line in failure_lines(group):
            typer.echo(line)
