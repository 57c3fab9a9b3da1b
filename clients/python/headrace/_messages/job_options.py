"""Job options as messages, converted by the types of the message's fields."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration

from headrace._messages.enum_names import class_name, from_job_class
from headrace._messages.request_building import build_request
from headrace._messages.times import from_duration, from_schedule_time
from headrace.jobs.v1 import jobs_pb2
from headrace.options import JobOptions

_FIELDS = jobs_pb2.JobOptions.DESCRIPTOR.fields_by_name


def from_options(options: JobOptions | None, keywords: JobOptions) -> jobs_pb2.JobOptions:
    """Returns options as a message.

    Args:
        options: Given together; None: none.
        keywords: Given one by one; they go before ``options``.

    Raises:
        TypeError: An option is not known.
        InvalidArgumentError: A value cannot be sent; ``violations`` names each option.
    """
    given: Mapping[str, Any] = {**(options or {}), **keywords}
    unknown = sorted(given.keys() - _FIELDS.keys())
    if unknown:
        known = ", ".join(_FIELDS)
        raise TypeError(f"unknown job option: {', '.join(unknown)}; options are {known}")
    values = {name: _to_field(_FIELDS[name], value) for name, value in given.items()}
    return build_request(jobs_pb2.JobOptions, **values)


def to_options(message: jobs_pb2.JobOptions) -> JobOptions:
    """Returns the options that a message holds; those with their default value are missing."""
    return cast("JobOptions", {field.name: _to_value(field, value) for field, value in message.ListFields()})


def _to_field(field: Any, value: Any) -> Any:
    if field.name == "job_class":
        return from_job_class(value)
    if field.message_type is None:
        return value
    return from_duration(value) if field.message_type == Duration.DESCRIPTOR else from_schedule_time(value)


def _to_value(field: Any, value: Any) -> Any:
    if field.name == "job_class":
        return class_name(value)
    if field.message_type is None:
        return value
    return value.ToTimedelta() if field.message_type == Duration.DESCRIPTOR else value.ToDatetime(UTC)
