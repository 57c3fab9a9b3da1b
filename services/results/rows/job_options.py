"""Stored form of job options: columns for those that SQL and rules use, one opaque text for the others."""

from base64 import b64decode, b64encode

from headrace.jobs.v1 import jobs_pb2

# Options with a column of their own in jobs or job_progress. The store only passes the others on.
COLUMN_OPTIONS = (
    "job_class",
    "max_failed_ratio",
    "max_parallelism",
    "schedule_time",
    "job_timeout",
    "budget_micros",
    "retention",
)


def encode_worker_options(options: jobs_pb2.JobOptions) -> str:
    """Returns the options without a column as base64 of a JobOptions message; empty if none is set.

    Options that this version does not know are among them.
    """
    others = jobs_pb2.JobOptions()
    others.CopyFrom(options)
    for name in COLUMN_OPTIONS:
        others.ClearField(name)
    return b64encode(others.SerializeToString(deterministic=True)).decode()


def decode_worker_options(text: str) -> jobs_pb2.JobOptions:
    """Returns the options of a stored text."""
    return jobs_pb2.JobOptions.FromString(b64decode(text)) if text else jobs_pb2.JobOptions()
