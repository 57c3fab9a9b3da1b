"""Kinds of work: the built-in ones, and the parts to define others."""

from headrace.kinds.estimate import CallEstimate, estimate_tokens
from headrace.kinds.kind import (
    Completion,
    ItemContext,
    ItemFailedError,
    JobFailedError,
    JobRefusedError,
    JsonValue,
    Kind,
    Message,
    RetryableError,
)
from headrace.kinds.params import params_schema, validate_params
from headrace.kinds.registry import builtin_kinds, installed_kinds
from headrace.kinds.request_options import RequestOptions
from headrace.kinds.request_params import RequestParams

__all__ = [
    "CallEstimate",
    "Completion",
    "ItemContext",
    "ItemFailedError",
    "JobFailedError",
    "JobRefusedError",
    "JsonValue",
    "Kind",
    "Message",
    "RequestOptions",
    "RequestParams",
    "RetryableError",
    "builtin_kinds",
    "estimate_tokens",
    "installed_kinds",
    "params_schema",
    "validate_params",
]
