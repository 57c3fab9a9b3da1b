"""Reads the simple fields that several calls share."""

import re
from typing import Any

import grpc

from headrace.errors import FieldViolation, InvalidArgumentError

TENANT_METADATA = "headrace-tenant"
DEFAULT_TENANT = "default"
MAX_PAGE_SIZE = 1000
NO_NUL = "must not contain a NUL character; remove it"

_TENANT = re.compile(r"[a-z0-9._-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def invalid_field(field: str, problem: str) -> InvalidArgumentError:
    """Returns the INVALID_FIELD error for one field."""
    return InvalidArgumentError(f"{field}: {problem}", violations=[FieldViolation(field, problem)])


def tenant_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Returns the tenant in the metadata of a call; ``default`` if there is none.

    Raises:
        InvalidArgumentError: INVALID_FIELD: the name is malformed, or there are several.
    """
    names = {value for key, value in context.invocation_metadata() or () if key == TENANT_METADATA}
    if not names:
        return DEFAULT_TENANT
    name = names.pop()
    if names or not isinstance(name, str) or not _TENANT.fullmatch(name):
        raise invalid_field(
            TENANT_METADATA, "must be one name of 1 to 64 characters out of a-z, 0-9, '-', '_' and '.'"
        )
    return name


def canonical_job_id(job_id: str) -> str:
    """Returns a job id, already checked to be a UUID, in lower case."""
    return job_id.lower()


def is_canonical_job_id(text: str) -> bool:
    """Returns whether a text is a UUID in lower case, with hyphens."""
    return _UUID.fullmatch(text) is not None


def page_size_or(default: int, page_size: int) -> int:
    """Returns the page size to use: the default for 0, and at most 1,000."""
    return min(page_size or default, MAX_PAGE_SIZE)
