"""The command that sums tokens and cost."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from headrace._cli.dollars import dollars
from headrace._cli.execution import DONE, execute
from headrace._cli.options import CallOptions, takes_call_options
from headrace._cli.output.formats import FormatOption, chosen_format
from headrace._cli.output.printing import print_all
from headrace._cli.output.views import Column, View
from headrace._cli.text import printable
from headrace.client import Client
from headrace.resources import UsageGroup

_DAYS_AGO = re.compile(r"(\d{1,4})d", re.ASCII)


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
    format: FormatOption = None,
) -> None:
    """Sum jobs, tokens and cost by the day on which the jobs were created, or by other properties.

    Deleted jobs count too. A table ends with the total. With --json: one object for each group.
    """
    chosen = chosen_format(format, options.json)
    groupings = [name.strip() for name in by.split(",") if name.strip()]
    labels = dict(_read_label(text) for text in label or ())
    first_day, last_day = _read_day(since, "--since"), _read_day(until, "--until")

    async def work(client: Client) -> int:
        report = await client.usage(
            by=groupings, first_day=first_day, last_day=last_day, kind=kind, model=model, labels=labels
        )
        groups = report.groups
        if chosen.is_table:
            groups = (*(report.groups if groupings else ()), report.total)
        print_all(usage_view(groupings, report.total), chosen, groups)
        return DONE

    execute(options, work)


def usage_view(groupings: Sequence[str], total: UsageGroup) -> View[UsageGroup]:
    """Returns the columns of groups: the properties that they share, then their sums.

    Args:
        groupings: Properties by which they are grouped.
        total: The group of all, which is named so.
    """

    def name(place: int) -> Callable[[UsageGroup], str]:
        def text(group: UsageGroup) -> str:
            if group is total:
                return "" if place else "total"
            return _property(group, groupings[place])

        return text

    names = [
        Column(printable(grouping.removeprefix("label:")).upper(), name(place))
        for place, grouping in enumerate(groupings)
    ]
    return View(
        UsageGroup,
        lambda group: ",".join(_property(group, grouping) for grouping in groupings) or "total",
        (*names, *_SUMS),
        "no usage",
    )


def _property(group: UsageGroup, grouping: str) -> str:
    names = {"day": group.day, "model": group.model, "kind": group.kind}
    return printable(names.get(grouping, group.label_value)) or "-"


def _sum(title: str, count: Callable[[UsageGroup], int]) -> Column[UsageGroup]:
    return Column(title, lambda group: f"{count(group):,}", is_right=True)


_SUMS: tuple[Column[UsageGroup], ...] = (
    _sum("JOBS", lambda group: group.job_count),
    _sum("SUCCEEDED", lambda group: group.succeeded_count),
    _sum("FAILED", lambda group: group.failed_count),
    _sum("CALLS", lambda group: group.usage.call_count),
    _sum("TOKENS IN", lambda group: group.usage.input_tokens),
    _sum("TOKENS OUT", lambda group: group.usage.output_tokens),
    _sum("CACHED", lambda group: group.usage.cached_tokens),
    Column("US DOLLARS", lambda group: dollars(group.usage.cost_micros), is_right=True),
)


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
