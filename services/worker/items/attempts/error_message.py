"""Converts the error of an attempt to the message that the store keeps."""

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, RetryableError


def error_message(error: RetryableError | ItemFailedError) -> jobs_pb2.Error:
    """Returns the error with its reason, its message and the provider's words."""
    return jobs_pb2.Error(reason=error.reason, message=error.message, detail=error.detail)
