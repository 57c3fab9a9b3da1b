"""The command that prints items of a job."""

from contextlib import aclosing
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.output.formats import LinesFormatOption, asked_format
from headrace._cli.output.item_views import ITEMS
from headrace._cli.output.printing import Printer
from headrace._cli.text import echo, item_row
from headrace.client import Client


@takes_call_options
def items(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Only the item with this key. Repeatable."),
    ] = None,
    index: Annotated[
        list[int] | None,
        typer.Option("--index", metavar="INDEX", min=0, help="Only the item with this index. Repeatable."),
    ] = None,
    format: LinesFormatOption = None,
) -> None:
    """Print items of a job as submitted: index, key if it has one, state of its result, and the item.

    Items are ordered by index. With --json, each has its result.
    """
    chosen = asked_format(format, options.json)

    async def work(client: Client) -> int:
        async with aclosing(client.items(job_id, indexes=index or (), keys=key or ())) as found:
            if chosen is None:
                async for item in found:
                    echo(item_row(item), flush=False)
                return DONE
            with Printer(ITEMS, chosen) as printer:
                async for item in found:
                    printer.add(item)
        return DONE

    execute(options, work)
