"""Converts job options by the types of their fields, so that a new option needs no line here."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration

from headrace._messages.enum_names import class_name, from_job_class
from headrace._messages.times import from_duration, from_instant
from headrace.jobs.v1 import jobs_pb2
from headrace.options import JobOptions

_FIELDS = jobs_pb2.JobOptions.DESCRIPTOR.fields_by_name


def option_fields(options: JobOptions | None, keywords: JobOptions) -> dict[str, Any]:
    """Returns options as fields of a message, for ``build_request``.

    Args:
        options: Options given together. None if there are none.
        keywords: Options given one by one. They override ``options``.

    Raises:
        TypeError: An option is unknown.
    """
    given: Mapping[str, Any] = {**(options or {}), **keywords}
    unknown = [name for name in given if name not in _FIELDS]
    if unknown:
        raise TypeError(f"unknown job option: {', '.join(unknown)}; known options are {', '.join(_FIELDS)}")
    return {name: _to_field(_FIELDS[name], value) for name, value in given.items()}


def to_options(message: jobs_pb2.JobOptions) -> JobOptions:
    """Returns the options that are set in a message."""
    return cast("JobOptions", {field.name: _to_value(field, value) for field, value in message.ListFields()})


def _to_field(field: Any, value: Any) -> object:
    if field.enum_type is not None:
        return from_job_class(value)
    if field.message_type is None:
        return value
    return from_duration(value) if field.message_type is Duration.DESCRIPTOR else from_instant(value)


def _to_value(field: Any, value: Any) -> object:
    if field.enum_type is not None:
        return class_name(value)
    if field.message_type is None:
        return value
    return value.ToTimedelta() if field.message_type is Duration.DESCRIPTOR else value.ToDatetime(UTC)
