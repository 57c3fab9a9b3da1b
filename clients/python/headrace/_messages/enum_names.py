"""Names of enums, as clients and as the protos write them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.jobs.v1 import jobs_pb2
from headrace.resources import ItemState, JobClass, JobState

Names = TypeVar("Names", bound=StrEnum)


def class_name(number: int) -> JobClass:
    """Returns a class by its number in the protos."""
    return name_of(JobClass, jobs_pb2.JobClass, "JOB_CLASS_", number)


def from_job_class(name: JobClass | str | None) -> str:
    """Returns the name in the protos of a class given by name, in any case; None is UNSPECIFIED."""
    return f"JOB_CLASS_{_member(JobClass, name, 'job_class')}"


def from_job_states(names: Iterable[JobState | str]) -> list[str]:
    """Returns the names in the protos of states given by name, in any case."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise _not_known(JobState, names, "states", "must be a list, each")
    return [f"JOB_STATE_{_member(JobState, name, 'states')}" for name in names]


def from_item_state(name: ItemState | str | None) -> str:
    """Returns the name in the protos of a state given by name, in any case; None is UNSPECIFIED: any."""
    return f"ITEM_STATE_{_member(ItemState, name, 'item_state')}"


def name_of(names: type[Names], numbers: Any, prefix: str, number: int) -> Names:
    """Returns an enum's member by its number in the protos; UNSPECIFIED if this version does not know it."""
    try:
        return names(numbers.Name(number).removeprefix(prefix))
    except ValueError:  # of a newer server
        return names("UNSPECIFIED")


def _member(names: type[Names], name: str | None, field: str) -> Names:
    if name is None or name == "":
        return names("UNSPECIFIED")
    if not isinstance(name, str) or name.upper() not in names.__members__:
        raise _not_known(names, name, field, "must be")
    return names(name.upper())


def _not_known(names: type[Names], given: object, field: str, must_be: str) -> InvalidArgumentError:
    known = ", ".join(member for member in names if member != "UNSPECIFIED")
    what = given if isinstance(given, str) else f"of type {type(given).__name__}"
    violation = FieldViolation(field, f"{must_be} one of {known}")
    return InvalidArgumentError(f"{field} is not known: {what}", violations=[violation])
