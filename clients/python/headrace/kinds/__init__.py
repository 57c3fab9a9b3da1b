"""Kinds of work: what a job can name, and how to define one."""

from headrace.kinds.kind import (
    Completion,
    ItemContext,
    ItemFailedError,
    JobFailedError,
    JsonValue,
    Kind,
    Message,
    TryAgainError,
)
from headrace.kinds.params import params_schema, validate_params
from headrace.kinds.registry import builtin_kinds, installed_kinds

__all__ = [
    "Completion",
    "ItemContext",
    "ItemFailedError",
    "JobFailedError",
    "JsonValue",
    "Kind",
    "Message",
    "TryAgainError",
    "builtin_kinds",
    "installed_kinds",
    "params_schema",
    "validate_params",
]
