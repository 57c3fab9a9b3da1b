"""Builds requests from arguments; one error names every argument that a request cannot hold."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.errors import FieldViolation, InvalidArgumentError

Request = TypeVar("Request", bound=Message)

_EXPECTED = {
    FieldDescriptor.TYPE_STRING: "must be a str that UTF-8 can encode: no single surrogates",
    FieldDescriptor.TYPE_INT32: "must be an int that fits in 32 bits",
    FieldDescriptor.TYPE_INT64: "must be an int that fits in 64 bits",
    FieldDescriptor.TYPE_DOUBLE: "must be a number",
    FieldDescriptor.TYPE_BOOL: "must be True or False",
    FieldDescriptor.TYPE_MESSAGE: "must be a timedelta or a number of seconds",
}
_REFUSALS = (TypeError, ValueError, OverflowError)


def build_request(message: type[Request], /, **fields: Any) -> Request:
    """Returns a request with these fields; None leaves a field unset.

    Checks types only. The gateway knows the limits and checks the values.

    Args:
        message: Class of the request.
        fields: Its fields, named like the arguments of the client. A dict holds the fields of a message.

    Raises:
        InvalidArgumentError: The request cannot hold some of the values; ``violations`` names each.
    """
    try:
        return message(**fields)
    except _REFUSALS:
        violations = list(_violations(message, fields))
    listed = "; ".join(f"{violation.field}: {violation.description}" for violation in violations)
    raise InvalidArgumentError(listed, violations=violations)


def _violations(message: type[Message], fields: Mapping[str, Any]) -> Iterator[FieldViolation]:
    for name, value in fields.items():
        field: Any = message.DESCRIPTOR.fields_by_name[name]  # of either implementation of protobuf
        if isinstance(value, dict) and field.message_type is not None and not _is_map(field):
            yield from _violations(GetMessageClass(field.message_type), value)
        elif not _can_hold(message, name, value):
            yield FieldViolation(name, _expected(field))


def _can_hold(message: type[Message], name: str, value: Any) -> bool:
    try:
        message(**{name: value})
    except _REFUSALS:
        return False
    return True


def _expected(field: Any) -> str:
    if field.enum_type is not None:
        start = "must be a list, each" if field.is_repeated else "must be"
        return f"{start} one of {', '.join(_names(field.enum_type))}"
    if _is_map(field):
        return "must be a dict of texts by texts that UTF-8 can encode"
    if field.message_type is Timestamp.DESCRIPTOR:
        return "must be a datetime with a time zone, such as UTC"
    return _EXPECTED[field.type]


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _names(enum: EnumDescriptor) -> Iterator[str]:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return (value.name.removeprefix(prefix) for value in enum.values if value.number)
