"""Formats objects as lines of plain text, and prints them."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import typer

from headrace._cli.dollars import dollars
from headrace.resources import Item, Job, JobState, JobTrial, PauseReason, Result

_PAUSES_TO_LOOK_AT = frozenset({PauseReason.REFUSALS, PauseReason.FAILURES})
_LAYOUT = "\n\t"


def echo(text: str, err: bool = False, flush: bool = True) -> None:
    """Prints a text, without control characters that a terminal would obey: all but line feeds and tabs.

    Args:
        text: Lines that may quote a server or a user.
        err: Whether to print to stderr instead of stdout.
        flush: Whether to flush the output.
    """
    if not text.isprintable():
        text = "".join(c if c in _LAYOUT else printable(c) for c in text)
    if flush or err:
        typer.echo(text, err=err)
    else:
        print(text)


def printable(text: str) -> str:
    """Returns an untrusted text as one line, without control characters that a terminal would obey.

    Control characters of Unicode count as well: those of 8 bits, and those that change the direction of text.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def job_lines(job: Job) -> Iterator[str]:
    """Yields all fields of a job, one on each line."""
    progress, usage = job.progress, job.usage
    yield f"job        {job.job_id}"
    yield f"kind       {job.kind}"
    if job.name:
        yield f"name       {printable(job.name)}"
    for key, value in sorted(job.labels.items()):
        yield f"label      {printable(f'{key}={value}')}"
    yield f"state      {job.state}"
    if job.pause_reason != "UNSPECIFIED":
        yield f"paused by  {job.pause_reason}"
    if job.pause_reason in _PAUSES_TO_LOOK_AT and job.state is JobState.PAUSED:
        yield f"next       headrace failures {job.job_id}; headrace resume {job.job_id} runs the other items"
    if job.trial is not None:
        yield f"trial      {_trial_line(job.trial)}"
        yield f"next       headrace resume {job.job_id} runs the other items; or headrace cancel {job.job_id}"
    if job.error:
        yield f"error      {job.error.reason}: {printable(job.error.message)}"
        if job.error.detail:
            yield f"detail     {printable(job.error.detail)}"
    yield (
        f"items      {progress.total_count:,} in all, {progress.succeeded_count:,} succeeded, "
        f"{progress.failed_count:,} failed, {progress.cancelled_count:,} cancelled"
    )
    yield f"tokens     {usage.input_tokens:,} in, {usage.output_tokens:,} out, {usage.call_count:,} calls"
    if usage.answered_models:
        yield f"answered   by {', '.join(printable(model) for model in usage.answered_models)}"
    if usage.cost_micros or job.budget_micros is not None:
        of_budget = "" if job.budget_micros is None else f" of {dollars(job.budget_micros)}"
        yield f"cost       {dollars(usage.cost_micros)}{of_budget} US dollars"
    yield f"class      {job.job_class}"
    yield f"tenant     {job.tenant}"
    for name in ("create", "schedule", "start", "expire", "finish", "purge"):
        moment = getattr(job, f"{name}_time")
        if moment:
            yield f"{name:9}  {instant(moment)}"


def _trial_line(trial: JobTrial) -> str:
    tried = f"{trial.item_count:,} items ran"
    low, mean, high = trial.low_cost_micros, trial.estimated_cost_micros, trial.high_cost_micros
    if low is None or mean is None or high is None:
        return f"{tried}; the cost of all is not known"
    return f"{tried}; all cost about {dollars(mean)} US dollars ({dollars(low)} to {dollars(high)})"


def summary(job: Job) -> str:
    """Returns a job as one line: state, counts, tokens, duration."""
    progress, usage = job.progress, job.usage
    parts = [
        f"{progress.done_count:,} of {progress.total_count:,} items done",
        f"{progress.failed_count:,} failed",
        f"{usage.input_tokens + usage.output_tokens:,} tokens",
    ]
    if usage.cost_micros:
        parts.append(f"{dollars(usage.cost_micros)} US dollars")
    if job.create_time and job.finish_time:
        parts.append(f"{(job.finish_time - job.create_time).total_seconds():.1f} s")
    why = f" ({job.error.reason}: {printable(job.error.message)})" if job.error else ""
    return f"{job.state}{why}: {', '.join(parts)}"


def result_row(result: Result) -> str:
    """Returns a result as a line: index, state, and its output's JSON or its error, separated by tabs.

    The key of an item comes after its index, if it has one. Its input comes last, if it was read.
    A failed item with several attempts also shows their number and why the earlier ones failed. The detail of
    an error follows on a line of its own.
    """
    if result.error:
        what = f"{result.error.reason}: {printable(result.error.message)}{_earlier_attempts(result)}"
        if result.error.detail:
            what += f"\n\t\t{printable(result.error.detail)}"
    else:
        what = printable(result.output_text)
    if result.input_text:
        what += f"\t{printable(result.input_text)}"
    return f"{_place(result)}\t{result.state}\t{what}"


def item_row(item: Item) -> str:
    """Returns an item as a line: index, key if it has one, state of its result or a dash, and its JSON."""
    state = item.result.state if item.result is not None else "-"
    return f"{_place(item)}\t{state}\t{printable(item.input_text)}"


def _place(item: Item | Result) -> str:
    return f"{item.item_index}\t{printable(item.item_key)}" if item.item_key else f"{item.item_index}"


def _earlier_attempts(result: Result) -> str:
    if result.attempt_count < 2:
        return ""
    reasons = (
        each.error.reason for each in result.failed_attempts if each.attempt_number < result.attempt_count
    )
    runs = ((reason, len(list(run))) for reason, run in groupby(reasons))
    before = ", ".join(f"{count} times {reason}" if count > 1 else reason for reason, count in runs)
    return f" (attempt {result.attempt_count}{f', after {printable(before)}' if before else ''})"


def instant(moment: datetime | None) -> str:
    """Returns a moment in UTC to the second, or a dash."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "-"
