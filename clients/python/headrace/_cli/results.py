"""The command that prints results."""

from collections import Counter
from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.json_lines import write_json, write_json_now
from headrace._cli.options import CallOptions, JobIdArgument, JsonOption, TargetOption, TenantOption
from headrace._cli.text import REASON_HEADER, reason_row, result_row
from headrace.client import Client
from headrace.resources import ItemState, Result


def results(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    follow: Annotated[
        bool, typer.Option("--follow", help="Also print later results as they come, until the job has ended.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only results of failed items.")] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count failed items by reason instead of printing results.")
    ] = False,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Print a job's results: index, state, and output or error.

    Results are ordered by index. With --follow, they come in the order of recording.
    """
    options = CallOptions.of(context, target, tenant, json)

    async def work(client: Client) -> int:
        item_state = ItemState.FAILED if failed or summary else None
        found = client.results(job_id, follow=follow, item_state=item_state)
        async with aclosing(found):
            if summary:
                await _print_reasons(found, options.json)
                return DONE
            async for result in found:
                _print_result(result, options.json, now=follow)
        return DONE

    execute(options, work)


def _print_result(result: Result, json: bool, now: bool) -> None:
    if json:
        write_json_now(result) if now else write_json(result)
    else:
        print(result_row(result), flush=now)


async def _print_reasons(failures: AsyncIterable[Result], json: bool) -> None:
    """Prints each reason with its number of items and its first item, most frequent first."""
    counts: Counter[str] = Counter()
    examples: dict[str, Result] = {}
    async for failure in failures:
        reason = failure.error.reason if failure.error else ""
        counts[reason] += 1
        examples.setdefault(reason, failure)
    if counts and not json:
        print(REASON_HEADER)
    for reason, count in counts.most_common():
        example = examples[reason]
        message = example.error.message if example.error else ""
        if json:
            names = {"reason": reason, "item_count": count}
            write_json(names | {"first_item_index": example.item_index, "first_message": message})
        else:
            print(reason_row(reason, count, example.item_index, message))
