"""Options of a job, and arguments of its submission. This file alone names the options in Python."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from headrace._data.item_keys import Key
    from headrace.resources import Job, JobClass


class JobOptions(TypedDict, total=False):
    """Options of ``submit`` and ``estimate``: ``options=JobOptions(...)``, or the same names as keywords.

    None means the default. ``Job.options`` holds the options that are set.

    Attributes:
        job_class: Class to queue the job in, by name in any case. Default: DEFAULT.
        max_failed_ratio: Largest fraction of items that may fail, 0 to 1. Beyond it the job is FAILED.
            Default: 0.5.
        max_parallelism: Maximum chunks of the job leased at the same time. Default: no limit.
        schedule_time: Earliest start, with a time zone, up to a year ahead. Default: at once.
        job_timeout: Time for the whole job, a timedelta or seconds, 1 s to 366 days, from its submission or
            its schedule_time, whichever is later. Then it ends as EXPIRED (JOB_TIMED_OUT). Default: no
            deadline.
        item_timeout: Working time for one item, a timedelta or seconds, 1 ms to 1 day: all its attempts of a
            round, without the waits between them. Then the item fails (ITEM_TIMED_OUT). Default: no deadline.
        call_timeout: Time for one call to the provider, a timedelta or seconds, 1 ms to 1 hour. Then the call
            is cancelled (PROVIDER_TIMEOUT) and its item retried. Default: 120 s.
        cache_responses: Reuses the response to an equal call of this tenant made within the last day, without
            a call and without tokens. Of equal calls under way only one is made. Default: False.
        budget_micros: Most that the job may cost, in millionths of a US dollar, 1 or more. Spending stops
            within the price of one of its calls, and the job is PAUSED for BUDGET until it is resumed with a
            higher one. Default: no limit.
        trial_count: Items to run as a trial, the first ones of the job: 1 or more. Then the job is PAUSED for
            TRIAL, with the expected cost of all items in ``Job.trial``. Default: no trial.
        retention: Time for which the job is kept after its end, a timedelta or seconds, 1 minute to 366 days.
            Then it is deleted with its items and results. Default: the time that the server is set to.
    """

    job_class: "JobClass | str | None"
    max_failed_ratio: float | None
    max_parallelism: int | None
    schedule_time: datetime | None
    job_timeout: timedelta | float | None
    item_timeout: timedelta | float | None
    call_timeout: timedelta | float | None
    cache_responses: bool | None
    budget_micros: int | None
    trial_count: int | None
    retention: timedelta | float | None


class SubmitArguments(JobOptions, total=False):
    """Arguments that ``run`` and ``map`` pass on to ``submit``, next to the job options, as keywords.

    Attributes:
        key: Field that holds the key of each item, or a function that returns it. Default: no keys.
        request_id: Name of the wanted job. Default: a new UUID.
        name: Name of the job for people. Default: none.
        labels: Labels by which the job is found. Default: none.
        options: Job options; see ``JobOptions``. Those that are keywords override them.
        on_open: Called once with the job as soon as it is stored.
    """

    key: "Key | None"
    request_id: str | None
    name: str | None
    labels: Mapping[str, str] | None
    options: JobOptions | None
    on_open: "Callable[[Job], object] | None"


class JobChanges(TypedDict, total=False):
    """Changes of ``update``. None clears a field, and one that is not given stays as it is.

    Attributes:
        name: Name for people, up to 128 characters.
        labels: Labels, which replace all labels of the job.
        job_class: Class to queue the job in. Cleared: DEFAULT.
        max_parallelism: Maximum chunks of the job leased at the same time. Cleared: no limit.
        budget_micros: Most that the job may cost, including the amount already spent. Cleared: no limit.
        job_timeout: Time for the whole job, from its submission, its schedule_time or its last retry.
            Cleared: no deadline.
        retention: Time for which the job is kept after its end. Cleared: the time that the server is set to.
    """

    name: str | None
    labels: Mapping[str, str] | None
    job_class: "JobClass | str | None"
    max_parallelism: int | None
    budget_micros: int | None
    job_timeout: timedelta | float | None
    retention: timedelta | float | None
