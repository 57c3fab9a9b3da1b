"""Formats a job's progress: counts, speed and forecast."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace._cli.dollars import dollars
from headrace._cli.durations import duration
from headrace._cli.text import instant, printable
from headrace.resources import Job, JobForecast, JobOutage, PauseReason

_GAP = "  "


def done_of_all(job: Job) -> str:
    """Returns the counts of done and of all items."""
    return f"{job.progress.done_count:,}/{job.progress.total_count:,}"


def speed_and_costs(job: Job, rate: float | None, left: float | None) -> str:
    """Returns one line: items per second and remaining time if known, failed items, tokens, cost.

    Args:
        job: Snapshot.
        rate: Items per second.
        left: Seconds until the end.
    """
    parts = []
    if rate and not job.state.is_terminal:
        parts.append(f"{rate:,.1f} items/s")
    if left is not None and not job.state.is_terminal:
        parts.append(f"ETA {duration(left)}")
    return "  ".join([*parts, *_counts(job)])


def outage_line(outage: JobOutage) -> str:
    """Returns one line: since when the provider is down, and the last failed call."""
    since = instant(outage.begin_time)
    return f"provider down since {since} ({printable(outage.reason)}: {printable(outage.message)})"


@dataclass(frozen=True)
class Part:
    """A number on the line of a terminal.

    Attributes:
        text: The number and its unit.
        rank: Rank in which numbers keep their place where there is little: 0 comes first.
    """

    text: str
    rank: int


def fitting_text(parts: Sequence[Part], width: int) -> str:
    """Returns the parts that fit in a width, in their order. Those of the ranks 0 and 1 are always there."""
    kept: list[Part] = []
    for part in sorted(parts, key=lambda part: part.rank):
        needed = sum(len(each.text) + len(_GAP) for each in kept) + len(part.text)
        if part.rank <= 1 or needed <= width:
            kept.append(part)
    return _GAP.join(part.text for part in parts if part in kept)


def counts_part(job: Job) -> Part:
    """Returns the counts of done and of all items."""
    return Part(done_of_all(job), 0)


def line_part(line: str) -> Part:
    """Returns a whole line as one part."""
    return Part(line, 1)


def live_parts(job: Job, forecast: JobForecast) -> list[Part]:
    """Returns speed and waiting items, or an outage; then expected end and costs."""
    parts = []
    if forecast.outage:
        parts.append(Part(outage_line(forecast.outage), 1))
    else:
        parts.append(Part(f"{forecast.items_per_second:,.1f} items/s", 1))
        parts.append(Part(f"{forecast.tokens_per_second:,.0f} tokens/s", 9))
        parts.append(Part(f"{forecast.in_flight_count:,} in flight", 7))
        if forecast.limited_count:
            parts.append(Part(f"{forecast.limited_count:,} limited", 6))
        if forecast.cooldown_seconds:
            parts.append(Part(f"cooling {duration(forecast.cooldown_seconds)}", 5))
    left = forecast.estimated_remaining
    if left is not None:
        parts.append(Part(f"ETA {duration(left.total_seconds())}", 2))
    ranks = {"failed": 3, "tokens": 8}  # costs and the reason of a pause between them
    counts = _counts(job, forecast.estimated_cost_micros)
    return [*parts, *(Part(text, ranks.get(text.partition(" ")[0], 4)) for text in counts)]


def _counts(job: Job, final_cost_micros: int | None = None) -> list[str]:
    parts = [f"failed {job.progress.failed_count:,}"]
    parts.append(f"tokens {job.usage.input_tokens + job.usage.output_tokens:,}")
    if job.usage.cost_micros:
        final = "" if final_cost_micros is None else f" of about ${dollars(final_cost_micros)}"
        parts.append(f"cost ${dollars(job.usage.cost_micros)}{final}")
    if job.pause_reason is PauseReason.BUDGET:
        parts.append("budget spent")
    if job.pause_reason is PauseReason.OUTAGE:
        parts.append("provider down")
    if job.pause_reason is PauseReason.REFUSALS:
        parts.append("first items refused, see headrace failures")
    return parts
