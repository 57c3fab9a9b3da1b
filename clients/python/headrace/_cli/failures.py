"""The command that groups the failed items of a job by reason."""

from headrace._cli.execution import DONE, execute
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.output.formats import Format, FormatOption, chosen_format
from headrace._cli.output.printing import print_all
from headrace._cli.output.views import FAILURES
from headrace.client import Client


@takes_call_options
def failures(options: CallOptions, *, job_id: JobIdArgument, format: FormatOption = None) -> None:
    """Count a job's failed items by reason, with an example and the provider's words, most frequent first."""
    chosen = chosen_format(format, options.json)

    async def work(client: Client) -> int:
        await print_failures(client, job_id, chosen)
        return DONE

    execute(options, work)


async def print_failures(client: Client, job_id: str, format: Format) -> None:
    """Prints each reason with its number of items and its first item, most frequent first."""
    print_all(FAILURES, format, await client.failures(job_id))
