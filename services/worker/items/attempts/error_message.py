"""Converts the error of an attempt to the message that the store keeps."""

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, RetryableError


def error_message(error: RetryableError | ItemFailedError) -> jobs_pb2.Error:
    """Returns the error with its reason, its message and the provider's words."""
    message = jobs_pb2.Error(reason=error.reason, message=error.message)
    # The field is absent until the protos declare it.
    if error.detail and "detail" in jobs_pb2.Error.DESCRIPTOR.fields_by_name:
        setattr(message, "detail", error.detail)  # noqa: B010 - mypy does not know the field yet
    return message
