"""Prints the estimate of a job."""

from headrace._cli.dollars import dollars
from headrace._cli.json_lines import write_json
from headrace._cli.text import echo, printable
from headrace.resources import JobEstimate


def print_estimate(estimate: JobEstimate, json: bool) -> None:
    """Prints an estimate, one number on each line, or as JSON."""
    if json:
        write_json(estimate)
        return
    cost = estimate.cost_micros
    echo(f"calls      {estimate.call_count:,}")
    echo(f"tokens     {estimate.input_tokens:,} in, {estimate.output_tokens:,} out")
    echo(f"cost       {'unknown' if cost is None else f'{dollars(cost)} US dollars'}")
    if estimate.failing_item_count:
        echo(f"failing    {estimate.failing_item_count:,} items, which make no calls")
    for group in estimate.failing_groups:
        echo(
            f"           {group.item_count:,} {printable(group.reason)}, such as item "
            f"{group.first_item_index}: {printable(group.first_message)}"
        )
