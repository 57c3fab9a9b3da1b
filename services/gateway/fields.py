"""Checks of the simple fields that several calls share."""

import re
from collections.abc import Sequence
from typing import Any

import grpc

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.jobs.v1 import jobs_pb2

TENANT_METADATA = "headrace-tenant"
DEFAULT_TENANT = "default"
MAX_PAGE_SIZE = 1000
MAX_NAME_LENGTH = 128

_TENANT = re.compile(r"[a-z0-9._-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def invalid_field(field: str, problem: str) -> InvalidArgumentError:
    """Returns the INVALID_FIELD error for one field."""
    return InvalidArgumentError(f"{field}: {problem}", violations=[FieldViolation(field, problem)])


def tenant_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Returns the tenant that a call's metadata names; the default one where it names none.

    Raises:
        InvalidArgumentError: The name is not one a tenant can have, or several are given.
    """
    names = {value for key, value in context.invocation_metadata() or () if key == TENANT_METADATA}
    if not names:
        return DEFAULT_TENANT
    name = names.pop()
    if names or not isinstance(name, str) or not _TENANT.fullmatch(name):
        raise invalid_field(TENANT_METADATA, "must be one name of 1 to 64 of a-z, 0-9, '-', '_', '.'")
    return name


def canonical_job_id(job_id: str) -> str:
    """Returns a job's id in lower case.

    Raises:
        InvalidArgumentError: Not a UUID in its form with hyphens.
    """
    canonical = job_id.lower()
    if not is_canonical_job_id(canonical):
        raise invalid_field("job_id", "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
    return canonical


def is_canonical_job_id(text: str) -> bool:
    """Returns whether a text is a UUID in lower case, with hyphens."""
    return _UUID.fullmatch(text) is not None


def page_size_or(default: int, page_size: int) -> int:
    """Returns the page size to use: the default for 0, at most 1,000.

    Raises:
        InvalidArgumentError: It is negative.
    """
    if page_size < 0:
        raise invalid_field("page_size", "must be 1 to 1,000, or 0 for the default")
    return min(page_size or default, MAX_PAGE_SIZE)


def checked_item_state(item_state: jobs_pb2.ItemState) -> jobs_pb2.ItemState:
    """Returns an item state to filter by; UNSPECIFIED means any.

    Raises:
        InvalidArgumentError: This gateway does not know it.
    """
    if item_state not in jobs_pb2.ItemState.values():
        raise invalid_field("item_state", f"must be one of {_names(jobs_pb2.ItemState.keys())}")
    return item_state


def checked_job_states(states: Sequence[jobs_pb2.JobState]) -> list[jobs_pb2.JobState]:
    """Returns the job states to filter by, each once, in a fixed order; empty means any.

    Raises:
        InvalidArgumentError: One is UNSPECIFIED, or not known to this gateway.
    """
    for index, state in enumerate(states):
        if not state or state not in jobs_pb2.JobState.values():
            raise invalid_field(f"states[{index}]", f"must be one of {_names(jobs_pb2.JobState.keys()[1:])}")
    return sorted(set(states))


def checked_kind_filter(kind: str) -> str:
    """Returns the kind to filter by, known here or not; empty means any.

    Raises:
        InvalidArgumentError: No kind can have this name.
    """
    if len(kind) > MAX_NAME_LENGTH or "\0" in kind:
        raise invalid_field("kind", f"must be a kind's name, of up to {MAX_NAME_LENGTH} characters")
    return kind


def _names(enum_names: Sequence[str]) -> str:
    return ", ".join(enum_names)
