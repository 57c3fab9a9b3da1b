"""The objects that clients return: jobs, events, results, kinds and workers.

Fields are named like those of the protos.
"""

from headrace.resources._events import JobEvent, JobForecast, JobOutage, LiveEvent, WatchedJob
from headrace.resources._history import JobChange, JobHistoryEvent, UsageGroup, UsageReport
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
from headrace.resources._results import FailedAttempt, FailureGroup, Item, ItemState, Result
from headrace.resources._workers import WorkerInfo

__all__ = [
    "FailedAttempt",
    "Failure",
    "FailureGroup",
    "Item",
    "ItemState",
    "Job",
    "JobChange",
    "JobClass",
    "JobEstimate",
    "JobEvent",
    "JobForecast",
    "JobHistoryEvent",
    "JobOutage",
    "JobState",
    "JobTrial",
    "KindInfo",
    "LiveEvent",
    "PauseReason",
    "Progress",
    "Result",
    "Usage",
    "UsageGroup",
    "UsageReport",
    "WatchedJob",
    "WorkerInfo",
]
