"""Headrace: background jobs made of many LLM calls."""

from headrace._messages.json_text import JsonText
from headrace._version import __version__
from headrace.client import Client
from headrace.errors import (
    AbortedError,
    AlreadyExistsError,
    CancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    HeadraceError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from headrace.options import JobOptions
from headrace.reasons import ErrorReason
from headrace.resources import (
    FailedAttempt,
    Failure,
    ItemState,
    Job,
    JobClass,
    JobEstimate,
    JobEvent,
    JobForecast,
    JobState,
    KindInfo,
    LiveEvent,
    PauseReason,
    Progress,
    Result,
    Usage,
    WorkerInfo,
)
from headrace.sync_client import SyncClient

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "Client",
    "DeadlineExceededError",
    "ErrorReason",
    "FailedAttempt",
    "FailedPreconditionError",
    "Failure",
    "FieldViolation",
    "HeadraceError",
    "InternalError",
    "InvalidArgumentError",
    "ItemState",
    "Job",
    "JobClass",
    "JobEstimate",
    "JobEvent",
    "JobForecast",
    "JobOptions",
    "JobState",
    "JsonText",
    "KindInfo",
    "LiveEvent",
    "NotFoundError",
    "PauseReason",
    "Progress",
    "ResourceExhaustedError",
    "Result",
    "SyncClient",
    "UnavailableError",
    "UnimplementedError",
    "Usage",
    "WorkerInfo",
    "__version__",
]
