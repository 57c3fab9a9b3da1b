"""Jobs with too many failed items: they end, or pause while the number that decides can still change."""

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.rules.facts import JobFacts
from services.results.rules.state import has_failed
from services.results.rules.trials import is_on_trial

# An open upload is judged as if it had at least this number of items: its first ones say little about it.
MIN_JUDGED_COUNT = 100

# The calls in flight when a job is paused for these must not fail it before its owner has looked.
_PAUSES_TO_LOOK_AT = frozenset({jobs_pb2.PAUSE_REASON_REFUSALS, jobs_pb2.PAUSE_REASON_FAILURES})


def judge_failures(job: JobFacts, latest_reason: str, *, all_done: bool) -> None:
    """Fails or pauses a live job of whose items more failed than it allows.

    While items may be added, or a trial runs, it pauses, once in a round. Otherwise it fails.

    Args:
        job: The job.
        latest_reason: Error reason of the item that failed last.
        all_done: Whether every item of the job has a result, and no other ones come.
    """
    if job.stopping_to or job.next_round or (not all_done and job.pause_reason in _PAUSES_TO_LOOK_AT):
        return
    # Carried failures count at the end of the round only. Otherwise they could end it before it runs an item.
    carried_count = 0 if all_done else job.carried_count
    failed_count = job.failed_count - carried_count
    is_preliminary = not all_done and (job.upload_open or is_on_trial(job))
    judged_count = _judged_count(job) if is_preliminary else job.total_count - carried_count
    if not has_failed(failed_count, judged_count, job.max_failed_ratio):
        return
    if not is_preliminary:
        job.stopping_to = jobs_pb2.JOB_STATE_FAILED
        _set_error(job, f"{failed_count} of {judged_count} items failed", latest_reason)
    elif job.failures_round != job.round and not job.pause_reason:
        job.failures_round = job.round
        job.pause_reason = jobs_pb2.PAUSE_REASON_FAILURES
        _set_error(job, f"{failed_count} items failed so far", latest_reason)


def _judged_count(job: JobFacts) -> int:
    if job.trial_end is not None:
        return job.trial_end
    return max(job.total_count, MIN_JUDGED_COUNT)


def _set_error(job: JobFacts, problem: str, latest_reason: str) -> None:
    latest = f"; the latest for {latest_reason}" if latest_reason else ""
    message = f"{problem}, and max_failed_ratio is {job.max_failed_ratio:g}{latest}"
    job.set_error(ErrorReason.TOO_MANY_FAILED_ITEMS, message)
