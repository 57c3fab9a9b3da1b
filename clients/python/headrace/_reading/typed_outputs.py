"""Turns outputs into objects of a type that the caller names."""

import sys
import typing
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from headrace.errors import FieldViolation, InvalidArgumentError, OutputMismatchError
from headrace.reasons import ErrorReason
from headrace.resources import Failure, ItemState, Result

OnMismatch = Literal["raise", "fail"]
_SHOWN_FAULTS = 3


class OutputType:
    """Validates outputs against a type: a pydantic model, a dataclass, a TypedDict, or another one.

    Args:
        output_type: The type.
        on_mismatch: raise: an output of another type raises. fail: its result is FAILED instead.

    Raises:
        InvalidArgumentError: pydantic cannot validate the type, or on_mismatch is unknown.
    """

    def __init__(self, output_type: Any, on_mismatch: OnMismatch) -> None:
        if on_mismatch not in get_args(OnMismatch):
            raise _refused("on_mismatch", f"must be raise or fail, not {on_mismatch!r}")
        from pydantic import TypeAdapter, ValidationError  # late: commands that print help do not need it
        from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

        self._raises = on_mismatch == "raise"
        self._mismatch = ValidationError
        self.name = getattr(output_type, "__qualname__", None) or str(output_type)
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(_known_to_pydantic(output_type))
        except (PydanticUserError, PydanticSchemaGenerationError, NameError) as error:
            problem = str(error).splitlines()[0]
            raise _refused("output_type", f"{self.name} cannot be validated: {problem}") from None

    def apply(self, result: Result[Any]) -> Result[Any]:
        """Returns a result with its output as an object of the type. The text of the output stays.

        Raises:
            OutputMismatchError: The output is of another type, unless those count as failures.
        """
        if result.state is ItemState.FAILED:
            return result
        try:
            return replace(result, output=self._validated(result.output_text))
        except self._mismatch as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
        message = self._message(faults)
        if self._raises:
            path = ".".join(str(part) for part in faults[0]["loc"])
            raise OutputMismatchError(f"{_item(result)}: {message}", item_index=result.item_index, field=path)
        failure = Failure(reason=ErrorReason.OUTPUT_MISMATCH, message=message)
        return replace(result, state=ItemState.FAILED, output=None, error=failure)

    def as_text(self, result: Result[Any]) -> Result[Any]:
        """Returns a result of ``apply`` with the text of its object, with defaults and conversions."""
        if result.state is ItemState.FAILED:
            return result
        return replace(result, output_text=self._adapter.dump_json(result.output).decode())

    def _validated(self, text: str) -> Any:
        return self._adapter.validate_json(text)

    def _message(self, faults: list[Any]) -> str:
        texts = [_fault_text(fault) for fault in faults[:_SHOWN_FAULTS]]
        if len(faults) > _SHOWN_FAULTS:
            texts.append(f"and {len(faults) - _SHOWN_FAULTS} more")
        return f"the output is not {self.name}: {'; '.join(texts)}"


def _fault_text(fault: Any) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "json_invalid" and ("hex escape" in fault["msg"] or "surrogate" in fault["msg"]):
        return "it holds half of an emoji, or another single surrogate"
    return f"{path}: {fault['msg']}" if path else str(fault["msg"])


def _item(result: Result[Any]) -> str:
    key = f" (key {result.item_key!r})" if result.item_key else ""
    return f"item {result.item_index}{key}"


def _refused(field: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field}: {problem}", violations=[FieldViolation(field, problem)])


def _known_to_pydantic(kind: Any) -> Any:
    """Returns an equal type for pydantic, which refuses ``typing.TypedDict`` before Python 3.12."""
    if sys.version_info >= (3, 12):
        return kind
    if typing.is_typeddict(kind) and isinstance(kind, typing._TypedDictMeta):  # type: ignore[attr-defined]
        return _extended(kind)
    arguments = get_args(kind)
    if arguments and get_origin(kind) in (list, dict, tuple, set, typing.Union):
        return get_origin(kind)[tuple(map(_known_to_pydantic, arguments))]
    return kind


def _extended(kind: Any) -> Any:
    import typing_extensions

    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        is_marked = get_origin(hint) in (typing.Required, typing.NotRequired)
        known = _known_to_pydantic(get_args(hint)[0] if is_marked else hint)
        is_optional = name in kind.__optional_keys__
        fields[name] = typing_extensions.NotRequired[known] if is_optional else known
    make: Any = typing_extensions.TypedDict
    return make(kind.__name__, fields)
