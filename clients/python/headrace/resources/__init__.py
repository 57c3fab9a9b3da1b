"""The objects that clients return: jobs, events, results, kinds and workers.

Fields are named like those of the protos.
"""

from headrace.resources._events import JobEvent, JobForecast, JobOutage, LiveEvent
from headrace.resources._jobs import (
    Failure,
    Job,
    JobClass,
    JobEstimate,
    JobState,
    JobTrial,
    PauseReason,
    Progress,
    Usage,
)
from headrace.resources._kinds import KindInfo
from headrace.resources._results import FailedAttempt, FailureGroup, ItemState, Result
from headrace.resources._workers import WorkerInfo

__all__ = [
    "FailedAttempt",
    "Failure",
    "FailureGroup",
    "ItemState",
    "Job",
    "JobClass",
    "JobEstimate",
    "JobEvent",
    "JobForecast",
    "JobOutage",
    "JobState",
    "JobTrial",
    "KindInfo",
    "LiveEvent",
    "PauseReason",
    "Progress",
    "Result",
    "Usage",
    "WorkerInfo",
]
