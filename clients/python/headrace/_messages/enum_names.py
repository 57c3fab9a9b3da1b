"""Converts between the names of enums in the client and in the protos.

A name that no enum has is sent on as it is, and ``build_request`` refuses it by the name of its field.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

from headrace.jobs.v1 import jobs_pb2
from headrace.resources import ItemState, JobClass, JobState

Names = TypeVar("Names", bound=StrEnum)


def class_name(number: int) -> JobClass:
    """Returns a class by its number in the protos."""
    return name_of(JobClass, jobs_pb2.JobClass, "JOB_CLASS_", number)


def from_job_class(name: JobClass | str | None) -> object:
    """Returns a class's name in the protos, from its name in any case; None and "" are UNSPECIFIED."""
    return _proto_name("JOB_CLASS_", name)


def from_job_states(names: Iterable[JobState | str]) -> object:
    """Returns the names of states in the protos, from their names in any case."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        return object()  # no request can hold it
    return [_proto_name("JOB_STATE_", name) for name in names]


def from_item_state(name: ItemState | str | None) -> object:
    """Returns a state's name in the protos, from its name in any case; None and "" are UNSPECIFIED: any."""
    return _proto_name("ITEM_STATE_", name)


def name_of(names: type[Names], numbers: Any, prefix: str, number: int) -> Names:
    """Returns an enum's member by its number in the protos; UNSPECIFIED if this version does not know it."""
    try:
        return names(numbers.Name(number).removeprefix(prefix))
    except ValueError:  # from a newer server
        return names("UNSPECIFIED")


def _proto_name(prefix: str, name: object) -> object:
    if name is None or name == "":
        return f"{prefix}UNSPECIFIED"
    return f"{prefix}{name.upper()}" if isinstance(name, str) else object()
