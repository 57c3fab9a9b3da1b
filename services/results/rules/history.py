"""A job's history: the words of its events, and which of them are merged once there are many."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import JobFacts
from services.shared.job_states import TERMINAL_STATES
from services.stubs.results.v1 import results_pb2

# Maximum events of a job. Beyond it, each 100th event merges the oldest ones.
MAX_EVENTS = 1_000
MERGE_INTERVAL = 100
# Events that a merge keeps. The events of one transaction fit in the rest.
EVENTS_KEPT = 880

MAX_ACTOR_CHARACTERS = 200
MAX_MESSAGE_CHARACTERS = 500

STORE = "store"

PAUSE_REASON_LABELS = {
    number: name.removeprefix("PAUSE_REASON_") for name, number in jobs_pb2.PauseReason.items()
}
_STATE_LABELS = {number: name.removeprefix("JOB_STATE_") for name, number in jobs_pb2.JobState.items()}
# Pauses that a client or a worker asked for. The others follow from the facts of the job.
_REQUESTED_PAUSES = frozenset(
    {jobs_pb2.PAUSE_REASON_USER, jobs_pb2.PAUSE_REASON_OUTAGE, jobs_pb2.PAUSE_REASON_REFUSALS}
)


def one_line(text: str, limit: int) -> str:
    """Returns a text as one line of printable characters, cut to a number of characters."""
    words = "".join(letter if letter.isprintable() else " " for letter in text[: limit * 4]).split()
    return " ".join(words)[:limit]


def pause_message(job: JobFacts) -> str:
    """Returns the message of the event that a job was paused: the reason, and its details if it has some."""
    label = PAUSE_REASON_LABELS.get(job.pause_reason, str(job.pause_reason))
    if job.pause_reason == jobs_pb2.PAUSE_REASON_BUDGET:
        return f"{label}: the rest of budget_micros {job.budget_micros} does not cover another call"
    return f"{label}: {job.error_message}" if job.error_message else label


def pause_actor(job: JobFacts, actor: str) -> str:
    """Returns who paused a job: the actor of the transition, unless the store itself decided."""
    return actor if job.pause_reason in _REQUESTED_PAUSES else STORE


def end_message(job: JobFacts) -> str:
    """Returns the message of the event that a job became terminal."""
    label = _STATE_LABELS[job.state]
    counts = f"{job.succeeded_count} of {job.total_count} items succeeded, {job.failed_count} failed"
    if job.error_reason:
        return f"{label} ({job.error_reason}): {job.error_message}; {counts}"
    return f"{label}: {counts}"


def held_message(job: JobFacts) -> str:
    """Returns the message of the event that nothing was leased for lack of budget."""
    spent, reserved = job.cost_micros, job.reserved_micros
    return f"of budget_micros {job.budget_micros}, {spent} is spent and {reserved} reserved by other leases"


def outage_message(change: results_pb2.OutageChange) -> str:
    """Returns the message of the event that an outage of the job's model began or ended."""
    if change.ended:
        return "ended"
    return f"began ({change.error.reason}): {change.error.message}"


def outage_report_id(change: results_pb2.OutageChange) -> str:
    """Returns the id of the report that an outage began or ended, the same for all workers."""
    return f"{change.outage_id} {'ended' if change.ended else 'began'}"


def is_paused_by(before: JobFacts, job: JobFacts) -> bool:
    """Returns whether a transition paused a live job."""
    return bool(job.pause_reason) and job.pause_reason != before.pause_reason


def is_resumed_by(before: JobFacts, job: JobFacts) -> bool:
    """Returns whether a transition resumed a live job. A retry of a paused job that has ended does not."""
    return bool(before.pause_reason) and not job.pause_reason and before.state not in TERMINAL_STATES


def needs_merge(count_before: int, count_after: int) -> bool:
    """Returns whether older events must be merged before new ones are stored.

    Args:
        count_before: Number of the last stored event.
        count_after: Number of the last new event.
    """
    is_due = count_before // MERGE_INTERVAL != count_after // MERGE_INTERVAL
    return is_due and count_after >= MAX_EVENTS


def plan_merges(changes: Mapping[int, int]) -> list[Sequence[int]]:
    """Returns the numbers of the events to merge into one each, ascending, so that EVENTS_KEPT are left.

    The oldest events of the types with the most events are merged.

    Args:
        changes: Type of each stored event, by number.
    """
    by_change: defaultdict[int, list[int]] = defaultdict(list)
    for number in sorted(changes):
        by_change[changes[number]].append(number)
    left = {change: len(numbers) for change, numbers in by_change.items()}
    for _ in range(len(changes) - EVENTS_KEPT):
        left[max(left, key=lambda change: left[change])] -= 1
    plan: list[Sequence[int]] = []
    for change, numbers in by_change.items():
        merged_count = len(numbers) - left[change] + 1
        if merged_count > 1:
            plan.append(numbers[:merged_count])
    return plan
