"""Prints the estimate of a job."""

import typer

from headrace._cli.dollars import dollars
from headrace._cli.json_lines import write_json
from headrace.resources import JobEstimate


def print_estimate(estimate: JobEstimate, json: bool) -> None:
    """Prints an estimate, one number on each line, or as JSON."""
    if json:
        write_json(estimate)
        return
    cost = estimate.cost_micros
    typer.echo(f"calls      {estimate.call_count:,}")
    typer.echo(f"tokens     {estimate.input_tokens:,} in, {estimate.output_tokens:,} out")
    typer.echo(f"cost       {'unknown' if cost is None else f'{dollars(cost)} US dollars'}")
    if estimate.failing_item_count:
        typer.echo(f"failing    {estimate.failing_item_count:,} items, which make no calls")
