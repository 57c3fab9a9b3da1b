"""Headrace: background jobs made of many LLM calls."""

from headrace._data.items import Items, read_items
from headrace._messages.json_text import JsonText
from headrace._reading.results import Results
from headrace._reading.sync_results import SyncResults
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
    OutputMismatchError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from headrace.options import JobOptions
from headrace.reasons import ErrorReason
from headrace.resources import (
    FailedAttempt,
    Failure,
    FailureGroup,
    ItemState,
    Job,
    JobClass,
    JobEstimate,
    JobEvent,
    JobForecast,
    JobOutage,
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
    "FailureGroup",
    "FieldViolation",
    "HeadraceError",
    "InternalError",
    "InvalidArgumentError",
    "ItemState",
    "Items",
    "Job",
    "JobClass",
    "JobEstimate",
    "JobEvent",
    "JobForecast",
    "JobOptions",
    "JobOutage",
    "JobState",
    "JsonText",
    "KindInfo",
    "LiveEvent",
    "NotFoundError",
    "OutputMismatchError",
    "PauseReason",
    "Progress",
    "ResourceExhaustedError",
    "Result",
    "Results",
    "SyncClient",
    "SyncResults",
    "UnavailableError",
    "UnimplementedError",
    "Usage",
    "WorkerInfo",
    "__version__",
    "read_items",
]
