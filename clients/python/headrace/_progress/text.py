"""Formats a step of a watch as one line."""

from headrace.resources import Job, JobEvent, JobState, PauseReason

_MICROS = 1_000_000


def describe_state(job: Job) -> str:
    """Returns the state, and for a paused job its reason: ``PAUSED (BUDGET)``."""
    if job.state is JobState.PAUSED and job.pause_reason is not PauseReason.UNSPECIFIED:
        return f"{job.state} ({job.pause_reason})"
    return str(job.state)


def describe_counts(job: Job) -> str:
    """Returns the counts of done and of all items: ``512/1,000``."""
    return f"{job.progress.done_count:,}/{job.progress.total_count:,}"


def describe_speed(event: JobEvent) -> list[str]:
    """Returns the speed and the remaining time where they are known, then failures, cost and an outage."""
    job, live = event.job, event.forecast
    parts = []
    if live is not None and live.items_per_second:
        parts.append(f"{live.items_per_second:,.1f} items/s")
    if live is not None and live.estimated_remaining is not None:
        parts.append(f"ETA {_clock(live.estimated_remaining.total_seconds())}")
    if job.progress.failed_count:
        parts.append(f"{job.progress.failed_count:,} failed")
    if job.usage.cost_micros:
        parts.append(f"${job.usage.cost_micros / _MICROS:,.4f}")
    if live is not None and live.outage is not None:
        parts.append(f"provider down: {live.outage.reason}")
    if job.error is not None:
        parts.append(_one_line(f"{job.error.reason}: {job.error.message}"))
    return parts


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _one_line(text: str) -> str:
    """Returns a text without line breaks and other characters that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
