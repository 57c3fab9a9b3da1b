"""The command that sums tokens and cost."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from headrace._cli.dollars import dollars
from headrace._cli.execution import DONE, execute
from headrace._cli.json_lines import write_json
from headrace._cli.options import CallOptions, takes_call_options
from headrace._cli.text import echo, printable
from headrace.client import Client
from headrace.resources import UsageGroup, UsageReport

_DAYS_AGO = re.compile(r"(\d{1,4})d", re.ASCII)
_COUNTS = ("JOBS", "SUCCEEDED", "FAILED", "CALLS", "TOKENS IN", "TOKENS OUT", "CACHED", "US DOLLARS")


@takes_call_options
def usage(
    options: CallOptions,
    *,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="LIST",
            help="What to group by: day, model, kind, label:KEY, with commas between. Empty: nothing.",
        ),
    ] = "day",
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="DAY",
            help="First day (UTC): 2026-01-31, or 7d for a week ago. Default: 30 days before --until.",
        ),
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="Last day, inclusive. Default: today.")
    ] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Only jobs of this kind.")] = "",
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="Only jobs that name this model.")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="Only jobs with this label. Repeatable."),
    ] = None,
) -> None:
    """Sum jobs, tokens and cost by the day on which the jobs were created, or by other properties.

    Deleted jobs count too. A table ends with the total. With --json: one object for each group.
    """
    groupings = [name.strip() for name in by.split(",") if name.strip()]
    labels = dict(_read_label(text) for text in label or ())
    first_day, last_day = _read_day(since, "--since"), _read_day(until, "--until")

    async def work(client: Client) -> int:
        report = await client.usage(
            by=groupings, first_day=first_day, last_day=last_day, kind=kind, model=model, labels=labels
        )
        if options.json:
            for group in report.groups:
                write_json(group)
        else:
            for line in table_lines(report, groupings):
                echo(line)
        return DONE

    execute(options, work)


def table_lines(report: UsageReport, groupings: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a table: a header, the groups, and the total."""
    header = [*(printable(name.removeprefix("label:")).upper() for name in groupings), *_COUNTS]
    rows = [[*_names(group, groupings), *_counts(group)] for group in report.groups] if groupings else []
    total = [*(["total"] + [""] * len(groupings))[: len(groupings)], *_counts(report.total)]
    lines = [header, *rows, total]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    for line in lines:
        cells = (
            cell.ljust(width) if place < len(groupings) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(cells)


def _names(group: UsageGroup, groupings: Sequence[str]) -> Iterator[str]:
    names = {"day": group.day, "model": group.model, "kind": group.kind}
    for grouping in groupings:
        yield printable(names.get(grouping, group.label_value)) or "-"


def _counts(group: UsageGroup) -> list[str]:
    usage = group.usage
    counts = (group.job_count, group.succeeded_count, group.failed_count, usage.call_count)
    tokens = (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
    return [*(f"{count:,}" for count in (*counts, *tokens)), dollars(usage.cost_micros)]


def _read_day(text: str, option: str) -> date | None:
    if not text:
        return None
    try:
        if ago := _DAYS_AGO.fullmatch(text):
            return datetime.now(UTC).date() - timedelta(days=int(ago[1]))
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter("not a day: write 2026-01-31, or 7d", param_hint=option) from None


def _read_label(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise typer.BadParameter("not a label: write KEY=VALUE", param_hint="--label")
    return key, value
