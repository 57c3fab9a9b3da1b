"""Checks the further fields that a job adds to the body of its requests."""

from collections.abc import Mapping
from typing import Any

import orjson

MAX_JSON_BYTES = 64 * 1024
_MAX_NAME_LENGTH = 100
_WHOLE_ANSWERS = "answers are read whole; remove it"
_WORKER_SETTINGS = "keys and URLs belong to the settings of the worker; remove it"
_OUTPUT_LIMIT = "use params.max_output_tokens, and params.max_tokens_field to choose the name of the field"
# Fields that Headrace sets, that would make answers unreadable, or that hold secrets, with the remedy.
_REFUSED = {
    "model": "use params.model",
    "messages": "the kind builds the messages; remove it",
    "stream": _WHOLE_ANSWERS,
    "stream_options": _WHOLE_ANSWERS,
    "max_tokens": _OUTPUT_LIMIT,
    "max_completion_tokens": _OUTPUT_LIMIT,
    "api_key": _WORKER_SETTINGS,
    "api_base": _WORKER_SETTINGS,
    "base_url": _WORKER_SETTINGS,
    "extra_body": "put its fields into params.extra_body itself",
    "extra_headers": "use params.extra_headers",
}
# Fields that a request can only have with one value, with that value.
_FIXED: Mapping[str, Any] = {"n": 1, "modalities": ["text"]}


def check_extra_body(fields: Mapping[str, Any], named: frozenset[str]) -> None:
    """Checks further fields of a request, whatever the case of their names and with or without underscores.

    Servers written in Go read ``Stream`` as ``stream``, and Google's reads ``maxTokens`` as ``max_tokens``.

    Args:
        fields: The fields.
        named: Fields that have a param of their own.

    Raises:
        ValueError: A field must not be set. The message names it and the remedy, and never a value.
    """
    check_json(fields)
    known_by_fold = {_fold(name): name for name in (*_REFUSED, *_FIXED, *named)}
    for position, (name, value) in enumerate(fields.items()):
        if not 1 <= len(name) <= _MAX_NAME_LENGTH:
            raise ValueError(f"the name at position {position} must have 1 to {_MAX_NAME_LENGTH} characters")
        known = known_by_fold.get(_fold(name), "")
        if known in _REFUSED:
            raise ValueError(f"must not set {known}: {_REFUSED[known]}")
        if known in _FIXED:
            if value != _FIXED[known] or isinstance(value, bool):
                raise ValueError(
                    f"must not set {known} to another value than {_FIXED[known]}: one answer in text is read"
                )
        elif known:
            raise ValueError(f"must not set {known}: use params.{known}")


def check_json(value: Any) -> None:
    """Checks that a value can be sent as JSON.

    Raises:
        ValueError: It is too large, nested too deeply, or has text that is not valid Unicode.
    """
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        raise ValueError("must be valid Unicode and nested at most 250 levels deep") from None
    if size > MAX_JSON_BYTES:
        raise ValueError(f"must be at most {MAX_JSON_BYTES:,} bytes of JSON")


def _fold(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
