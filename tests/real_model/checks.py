"""Checks of a run, and the table of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace import Result
from headrace.reasons import ErrorReason
from tests.real_model.jobs import Run
from tests.real_model.model_server import Tokens
from tests.real_model.proxy import Call, tokens_of

# Results are recorded after 250 ms at the latest. The rest is time for the call that records them.
UNRECORDED_SECONDS = 1.0
# Faults of an outage that each worker counts as attempts, before it knows that it is one. See docs/decisions.
COUNTED_FAULTS = 4
_OUTAGE = {ErrorReason.PROVIDER_UNREACHABLE, ErrorReason.PROVIDER_ERROR}
_WANTED_SHARE = 0.9  # of the server's own rate
_QUIET_LOAD = 0.5
_QUIET_DIFFERENCE = 0.1  # of two equal loops


@dataclass(frozen=True)
class Check:
    """A line of the table.

    Attributes:
        name: Name of the check.
        text: Its outcome.
        holds: Whether it holds. None: a figure, which fails nothing.
    """

    name: str
    text: str
    holds: bool | None = None

    def __str__(self) -> str:
        verdict = {True: "held", False: "BROKEN", None: "figure"}[self.holds]
        return f"{self.name:34} {verdict:7} {self.text}"


def check_items(run: Run, *, outage_workers: int = 0) -> list[Check]:
    """Returns the checks of items and attempts: all are finished, and failed by their label alone.

    Args:
        run: Finished run.
        outage_workers: Workers that saw an outage. The first faults of an outage use up attempts.
    """
    results = [result for kind in run.results for result in run.results[kind]]
    failures = Counter(result.error.reason for result in results if result.error)
    other = [reason for reason in failures if reason != ErrorReason.LABEL_UNKNOWN]
    failed = ", ".join(f"{count} {reason}" for reason, count in failures.items()) or "none"
    count = run.posting_count * len(run.results)
    finished = f"{len(results)} of {count}; failed: {failed}"
    recognised = sum(result.error is None for result in run.results["llm.classify"])
    return [
        Check("items finished", finished, len(results) == count and not other),
        Check("labels recognised", f"{recognised} of {run.posting_count}"),
        _check_attempts(results, outage_workers),
    ]


def _check_attempts(results: Iterable[Result], outage_workers: int) -> Check:
    again = [result for result in results if result.attempt_count > 1]
    extra = sum(result.attempt_count - 1 for result in again)
    reasons = Counter(
        attempt.error.reason
        for result in again
        for attempt in result.failed_attempts[: result.attempt_count - 1]
    )
    allowed = outage_workers * COUNTED_FAULTS
    text = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"
    text += f"; {allowed} allowed" if allowed else ""
    holds = (
        extra <= allowed and all(result.attempt_count == 2 for result in again) and set(reasons) <= _OUTAGE
    )
    return Check("attempts used up by faults", text, holds)


def check_broken_off(run: Run, calls: Iterable[Call], kill: float | None = None) -> Check:
    """Returns the check that no call was broken off by its client, unless at its kill."""
    left = [call for call in calls if call.outcome == "client left" and not _is_at(call, kill)]
    timed_out = [
        attempt
        for results in run.results.values()
        for result in results
        for attempt in result.failed_attempts
        if attempt.error.reason == ErrorReason.PROVIDER_TIMEOUT
    ]
    text = f"{len(left)} calls, {len(timed_out)} time-outs"
    return Check("broken off", text, not left and not timed_out)


def _is_at(call: Call, kill: float | None) -> bool:
    return kill is not None and call.begin <= kill and (call.end is None or call.end <= kill + 5.0)


def check_usage(
    run: Run, calls: Sequence[Call], items: Mapping[str, tuple[str, int]], kill: float | None = None
) -> Check:
    """Returns the check that the usage of the jobs is that of the answered calls.

    Args:
        run: Finished run.
        calls: All calls of the run.
        items: Kind and index of the items, by the text of their calls.
        kill: Time of the kill of a worker. Items with a call in flight then, or answered and perhaps not yet
            recorded, may have had calls that are not counted. They are named.
    """
    usages = [job.usage for job in run.jobs.values()]
    counted = sum(
        (Tokens(use.input_tokens, use.cached_tokens, use.output_tokens) for use in usages), Tokens()
    )
    answered = tokens_of(calls)
    missing = _uncounted(run, calls, items)
    excused = {items[call.text] for call in calls if kill is not None and _may_be_lost(call, kill)}
    named = ", ".join(
        f"{kind} {index} ({tokens.input}+{tokens.output})" for (kind, index), tokens in missing.items()
    )
    text = f"jobs {counted}; server {answered}"
    if missing:
        text += f"; not counted, in flight at the kill of a worker: {named}"
    holds = set(missing) <= excused and answered - counted == sum(missing.values(), Tokens())
    return Check("tokens: jobs and answers", text, holds)


def _may_be_lost(call: Call, kill: float) -> bool:
    return call.begin <= kill and (call.end is None or call.end >= kill - UNRECORDED_SECONDS)


def _uncounted(
    run: Run, calls: Sequence[Call], items: Mapping[str, tuple[str, int]]
) -> dict[tuple[str, int], Tokens]:
    """Returns the tokens of answers that are not in the usage of their item, by item."""
    left: dict[tuple[str, int], Tokens] = {}
    for call in calls:
        left[items[call.text]] = left.get(items[call.text], Tokens()) + call.tokens
    for kind, results in run.results.items():
        for result in results:
            use = result.usage
            key = (kind, result.item_index)
            left[key] = left.get(key, Tokens()) - Tokens(
                use.input_tokens, use.cached_tokens, use.output_tokens
            )
    return {key: tokens for key, tokens in left.items() if tokens != Tokens()}


def check_server(
    name: str, own: Tokens, calls: Sequence[Call], in_flight: Sequence[tuple[str, int]] = ()
) -> Check:
    """Returns the check that the server's own count is that of its answers.

    Args:
        name: Name of the check.
        own: Its count, from ``/metrics``.
        calls: Calls that it answered before that.
        in_flight: Kind and index of items with a call that it may have counted without an answer.
    """
    answered = tokens_of(calls)
    text = f"/metrics {own}; answers {answered}"
    if own == answered:
        return Check(name, text, True)
    more = own - answered
    text += f"; in flight at a kill: {_name(in_flight)}"
    return Check(name, text, bool(in_flight) and min(more.input, more.cached, more.output) >= 0)


def _name(items: Sequence[tuple[str, int]]) -> str:
    by_kind = {kind: sorted({index for each, index in items if each == kind}) for kind, _ in items}
    return "; ".join(f"{kind} {' '.join(map(str, by_kind[kind]))}" for kind in sorted(by_kind)) or "none"


def check_rate(ours: float, loops: Sequence[float], load: float) -> Check:
    """Returns the check of the rate. It is a figure while other programs use the machine.

    Args:
        ours: Calls per second of Headrace.
        loops: Calls per second of the plain loops before and after.
        load: Load of the machine before the run.
    """
    share = ours * len(loops) / sum(loops)
    text = f"{share:.0%}: {ours:.2f} calls/s, plain loops {', '.join(f'{rate:.2f}' for rate in loops)}"
    is_quiet = load < _QUIET_LOAD and max(loops) < min(loops) * (1 + _QUIET_DIFFERENCE)
    if share >= _WANTED_SHARE or is_quiet:
        return Check("rate at four slots", text, share >= _WANTED_SHARE)
    return Check("rate at four slots", f"{text}; the machine is loaded")
