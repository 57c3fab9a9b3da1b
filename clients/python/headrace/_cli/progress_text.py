"""Formats a job's progress: counts, speed and forecast."""

from headrace._cli.dollars import dollars
from headrace._cli.durations import duration
from headrace._cli.text import instant, printable
from headrace.resources import Job, JobForecast, JobOutage, PauseReason


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


def live_lines(job: Job, forecast: JobForecast) -> str:
    """Returns two lines: speed and waiting items, or an outage; then expected end and costs."""
    speed = [
        f"{forecast.items_per_second:,.1f} items/s",
        f"{forecast.tokens_per_second:,.0f} tokens/s",
        f"{forecast.in_flight_count:,} in flight",
    ]
    if forecast.limited_count:
        speed.append(f"{forecast.limited_count:,} limited")
    if forecast.cooldown_seconds:
        speed.append(f"cooling {duration(forecast.cooldown_seconds)}")
    left = forecast.estimated_remaining
    end = [] if left is None else [f"ETA {duration(left.total_seconds())}"]
    first = outage_line(forecast.outage) if forecast.outage else "  ".join(speed)
    return first + "\n" + "  ".join([*end, *_counts(job, forecast.estimated_cost_micros)])


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
