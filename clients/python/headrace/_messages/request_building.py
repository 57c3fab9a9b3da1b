"""Requests made of what a caller gave, or else the one error that names each argument that cannot be sent."""

from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from headrace.errors import FieldViolation, InvalidArgumentError

Request = TypeVar("Request", bound=Message)

_EXPECTED = {
    FieldDescriptor.TYPE_STRING: "must be a str that UTF-8 can hold: no single surrogates",
    FieldDescriptor.TYPE_INT32: "must be an int that fits in 32 bits",
    FieldDescriptor.TYPE_INT64: "must be an int that fits in 64 bits",
    FieldDescriptor.TYPE_DOUBLE: "must be a number",
    FieldDescriptor.TYPE_BOOL: "must be True or False",
    FieldDescriptor.TYPE_MESSAGE: "must be a timedelta or a number of seconds",
}
_REFUSALS = (TypeError, ValueError, OverflowError)


def build_request(message: type[Request], /, **fields: Any) -> Request:
    """Returns a request with these fields; None leaves a field unset.

    Whether a value that can be sent makes sense is left to the gateway, which knows the limits.

    Args:
        message: Class of the request.
        fields: Its fields, named as the arguments of the client are.

    Raises:
        InvalidArgumentError: The request cannot hold some of the values: ``violations`` names each.
    """
    try:
        return message(**fields)
    except _REFUSALS:
        wrong = [name for name, value in fields.items() if not _is_held(message, name, value)]
    violations = [FieldViolation(name, _expected(message, name)) for name in wrong]
    told = "; ".join(f"{violation.field} {violation.description}" for violation in violations)
    raise InvalidArgumentError(told, violations=violations)


def _is_held(message: type[Message], name: str, value: Any) -> bool:
    try:
        message(**{name: value})
    except _REFUSALS:
        return False
    return True


def _expected(message: type[Message], name: str) -> str:
    return _EXPECTED[message.DESCRIPTOR.fields_by_name[name].type]
