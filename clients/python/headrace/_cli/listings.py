"""Commands that list kinds and workers."""

from headrace._cli.execution import DONE, execute
from headrace._cli.options import CallOptions, takes_call_options
from headrace._cli.output.formats import FormatOption, chosen_format
from headrace._cli.output.printing import print_all
from headrace._cli.output.views import KINDS, WORKERS
from headrace.client import Client


@takes_call_options
def kinds(options: CallOptions, *, format: FormatOption = None) -> None:
    """List the kinds of work that jobs can name. With --json, also the schemas of their params."""
    chosen = chosen_format(format, options.json)

    async def work(client: Client) -> int:
        print_all(KINDS, chosen, await client.kinds())
        return DONE

    execute(options, work)


@takes_call_options
def workers(options: CallOptions, *, format: FormatOption = None) -> None:
    """List the workers seen lately, live ones first."""
    chosen = chosen_format(format, options.json)

    async def work(client: Client) -> int:
        print_all(WORKERS, chosen, await client.workers())
        return DONE

    execute(options, work)
