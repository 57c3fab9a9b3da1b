"""The simple fields that several calls share."""

import re
from typing import Any

import grpc

from headrace.errors import FieldViolation, InvalidArgumentError

TENANT_METADATA = "headrace-tenant"
DEFAULT_TENANT = "default"
MAX_PAGE_SIZE = 1000
NO_NUL = "must not hold a NUL character"

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
    """Returns a job's id, a UUID by the rules of its request, in lower case."""
    return job_id.lower()


def is_canonical_job_id(text: str) -> bool:
    """Returns whether a text is a UUID in lower case, with hyphens."""
    return _UUID.fullmatch(text) is not None


def page_size_or(default: int, page_size: int) -> int:
    """Returns the page size to use: the default for 0, at most 1,000."""
    return min(page_size or default, MAX_PAGE_SIZE)
