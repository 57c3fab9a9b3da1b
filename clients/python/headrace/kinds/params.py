"""Validates the params of a job against its kind, and renders their schema."""

from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.kinds.kind import Kind


def validate_params(kind: Kind[Any], params_text: str) -> BaseModel:
    """Returns a job's params as the params_model of the kind.

    Args:
        kind: Kind of the job.
        params_text: JSON text of an object. Empty means ``{}``.

    Raises:
        InvalidArgumentError: With a violation for each wrong field, named ``params.labels`` or
            ``params.labels[3]``, or ``params`` if the text is not a JSON object. Messages never contain the
            values that were sent.
    """
    try:
        params = orjson.loads(params_text or "{}")
    except orjson.JSONDecodeError as error:
        raise _invalid([FieldViolation("params", f"is not valid JSON: {error.msg}")]) from None
    if not isinstance(params, dict):
        raise _invalid([FieldViolation("params", "must be a JSON object")])
    try:
        validated: BaseModel = kind.params_model.model_validate(params)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        raise _invalid([_violation(detail) for detail in details]) from None
    return validated


def params_schema(kind: Kind[Any]) -> str:
    """Returns the JSON Schema (draft 2020-12) of a kind's params, as JSON text."""
    schema = kind.params_model.model_json_schema()
    schema.pop("description", None)  # the model's docstring; the fields have their own descriptions
    return orjson.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}).decode()


def _violation(detail: ErrorDetails) -> FieldViolation:
    path = "params"
    for part in detail["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    match detail["type"]:
        case "missing":
            description = "is required"
        case "extra_forbidden":
            description = "is not a field of this kind's params"
        case _:
            description = detail["msg"].removeprefix("Value error, ")
    return FieldViolation(path, description)


def _invalid(violations: list[FieldViolation]) -> InvalidArgumentError:
    listed = "; ".join(f"{violation.field}: {violation.description}" for violation in violations[:10])
    more = f"; and {len(violations) - 10} more" if len(violations) > 10 else ""
    return InvalidArgumentError(listed + more, violations=violations)
