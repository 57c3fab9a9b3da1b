"""Requests that change a job."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from headrace._messages.enum_names import from_job_class
from headrace._messages.request_building import build_request
from headrace._messages.times import from_duration
from headrace.gateway.v1 import gateway_pb2
from headrace.options import JobChanges

_FIELDS = gateway_pb2.UpdateJobRequest.DESCRIPTOR.fields_by_name


def update_request(
    job_id: str, changes: JobChanges, if_change_seq: int | None, *, resume: bool
) -> gateway_pb2.UpdateJobRequest:
    """Returns the request of an update.

    Raises:
        TypeError: A change is unknown.
        InvalidArgumentError: The request cannot hold some of the values.
    """
    unknown = [name for name in changes if name not in JobChanges.__annotations__]
    if unknown:
        known = ", ".join(JobChanges.__annotations__)
        raise TypeError(f"unknown change: {', '.join(unknown)}; known changes are {known}")
    given: Mapping[str, Any] = changes
    return build_request(
        gateway_pb2.UpdateJobRequest,
        job_id=job_id,
        update_mask=FieldMask(paths=list(given)),
        if_change_seq=if_change_seq,
        resume=resume,
        **{name: _to_field(name, value) for name, value in given.items() if value is not None},
    )


def _to_field(name: str, value: Any) -> object:
    field: Any = _FIELDS[name]  # of either implementation of protobuf
    if field.enum_type is not None:
        return from_job_class(value)
    return from_duration(value) if field.message_type is Duration.DESCRIPTOR else value
