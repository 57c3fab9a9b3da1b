"""Validates the params of a job against its kind, and renders their schema."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.kinds.json_bounds import TOO_DEEP, is_too_deep, read_json
from headrace.kinds.kind import Kind

_MAX_LISTED = 20
_MAX_SHOWN = 10  # in the message
_MAX_READ = 1_000
_MAX_NAME_LENGTH = 64
# The provider's names of a field that has another one here.
_OTHER_NAMES = dict.fromkeys(("max_tokens", "max_completion_tokens"), "max_output_tokens")
_NO_FIELD = "is not a field of this kind's params"


def validate_params(kind: Kind[Any], params_text: str) -> BaseModel:
    """Returns a job's params as the params_model of the kind.

    Args:
        kind: Kind of the job.
        params_text: JSON text of an object. Empty means ``{}``.

    Raises:
        InvalidArgumentError: With a violation for each wrong field, named ``params.labels`` or
            ``params.labels[3]``, or ``params`` if the text is not a JSON object. The first 20 are listed,
            and the last violation then counts the others. Messages never contain the values that were sent.
    """
    violations = _Violations()
    params = _known_params(kind.params_model, _read(params_text or "{}"), violations)
    try:
        validated: BaseModel = kind.params_model.model_validate(params)
    except ValidationError as error:
        violations.add_errors(error)
    violations.raise_if_any()
    return validated


def params_schema(kind: Kind[Any]) -> str:
    """Returns the JSON Schema (draft 2020-12) of a kind's params, as JSON text."""
    schema = kind.params_model.model_json_schema()
    schema.pop("description", None)  # the model's docstring; the fields have their own descriptions
    return orjson.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}).decode()


def _read(params_text: str) -> dict[str, Any]:
    try:
        params = read_json(params_text)
    except ValueError as error:
        raise _invalid_params(str(error), _deep_field(params_text, str(error))) from None
    if not isinstance(params, dict):
        raise _invalid_params("must be a JSON object")
    return params


def _deep_field(params_text: str, problem: str) -> str:
    """Returns the name of the field that is nested too deeply; ``params`` if that is not the problem."""
    if problem != TOO_DEEP:
        return "params"
    try:
        params = orjson.loads(params_text)
    except orjson.JSONDecodeError:
        return "params"
    members = params.items() if isinstance(params, dict) else ()
    return next((f"params.{_shortened(name)}" for name, value in members if is_too_deep(value)), "params")


def _invalid_params(problem: str, field: str = "params") -> InvalidArgumentError:
    return InvalidArgumentError(f"{field}: {problem}", violations=[FieldViolation(field, problem)])


def _known_params(
    model: type[BaseModel], params: dict[str, Any], violations: "_Violations"
) -> dict[str, Any]:
    """Returns the params that a model has. Adds a violation for each other one, if the model forbids them."""
    known = model.model_fields
    if model.model_config.get("extra") != "forbid" or any(field.alias for field in known.values()):
        return params
    unknown = [name for name in params if name not in known]
    for name in unknown[:_MAX_LISTED]:
        violations.add(f"params.{_shortened(name)}", _unknown_field(name, known))
    violations.count += len(unknown[_MAX_LISTED:])
    return {name: params[name] for name in known if name in params} if unknown else params


def _unknown_field(name: str, known: Iterable[str]) -> str:
    name = name[:_MAX_NAME_LENGTH].lower()
    nearest = get_close_matches(_OTHER_NAMES.get(name, name), known, n=1)
    return _NO_FIELD + (f"; did you mean {nearest[0]}?" if nearest else "")


class _Violations:
    """Violations of params: the first 20 are listed, the others counted."""

    def __init__(self) -> None:
        self.listed: list[FieldViolation] = []
        self.count = 0

    def add(self, field: str, description: str) -> None:
        self.count += 1
        if len(self.listed) < _MAX_LISTED:
            self.listed.append(FieldViolation(field, description))

    def add_errors(self, error: ValidationError) -> None:
        """Adds the errors of pydantic. Thousands take long to read, and are not listed."""
        if error.error_count() > _MAX_READ:
            self.add("params", f"has {error.error_count():,} wrong values; correct its lists and objects")
            return
        for detail in error.errors(include_input=False, include_url=False):
            self.add(_path(detail), _description(detail))

    def raise_if_any(self) -> None:
        """Returns if there are no violations.

        Raises:
            InvalidArgumentError: There are violations. If not all are listed, the last one has no field and
                counts the others.
        """
        if not self.count:
            return
        shown = self.listed[:_MAX_SHOWN]
        message = "; ".join(f"{violation.field}: {violation.description}" for violation in shown)
        if self.count > len(shown):
            message += f"; and {self.count - len(shown):,} more"
        violations = list(self.listed)
        if self.count > len(violations):
            violations.append(FieldViolation("", f"and {self.count - len(violations):,} more"))
        raise InvalidArgumentError(message, violations=violations)


def _path(detail: ErrorDetails) -> str:
    path = "params"
    for part in detail["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{_shortened(part)}"
    return path


def _description(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return _NO_FIELD
        case _:
            return detail["msg"].removeprefix("Value error, ")


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else name[: _MAX_NAME_LENGTH - 1] + "\u2026"
