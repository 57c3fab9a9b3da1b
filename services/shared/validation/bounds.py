"""Reads the bounds of fields from the rules of protovalidate in their descriptors.

The stubs carry the rules as bytes. A private pool declares the few of them that bound a size.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

# Messages of buf/validate/validate.proto: the numbers of the fields that are read, and their types. The first
# stands for google.protobuf.FieldOptions with its extension.
_DECLARED: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Options": {"rules": (1159, "FieldRules")},
    "FieldRules": {
        "string": (14, "StringRules"),
        "bytes": (15, "BytesRules"),
        "repeated": (18, "RepeatedRules"),
        "map": (19, "MapRules"),
    },
    "StringRules": {"max_len": (3, ""), "max_bytes": (5, "")},
    "BytesRules": {"max_len": (3, "")},
    "RepeatedRules": {"max_items": (2, "")},
    "MapRules": {"max_pairs": (2, "")},
}


def _options_class() -> type[Any]:
    file = FileDescriptorProto(name="bounds.proto", package="bounds", syntax="proto2")
    for name, fields in _DECLARED.items():
        message = file.message_type.add(name=name)
        for field, (number, type_name) in fields.items():
            message.field.add(
                name=field,
                number=number,
                label=FieldDescriptorProto.LABEL_OPTIONAL,
                type=FieldDescriptorProto.TYPE_MESSAGE if type_name else FieldDescriptorProto.TYPE_UINT64,
                type_name=f".bounds.{type_name}" if type_name else None,
            )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("bounds.Options"))


_Options = _options_class()


def _bound(field: FieldDescriptor) -> int | None:
    """Returns the largest length of a field's value: elements, characters or bytes. None if it has none."""
    rules = _Options.FromString(field.GetOptions().SerializeToString()).rules
    if field.is_repeated:
        return rules.repeated.max_items or rules.map.max_pairs or None
    return rules.string.max_len or rules.string.max_bytes or rules.bytes.max_len or None


@cache
def list_bounds(message: Descriptor) -> Mapping[str, int]:
    """Returns the largest number of elements of each list and map of a message."""
    return {field.name: bound for field in message.fields if field.is_repeated and (bound := _bound(field))}


@cache
def length_bounds(message: Descriptor) -> Mapping[str, int]:
    """Returns the largest length of each list, map, string and bytes of a message, without those in it."""
    return {field.name: bound for field in message.fields if (bound := _bound(field))}


def too_long_lists(request: Message) -> Mapping[str, int]:
    """Returns the lists and maps of a request that are longer than their bounds, with these."""
    return {
        name: bound
        for name, bound in list_bounds(request.DESCRIPTOR).items()
        if len(getattr(request, name)) > bound
    }
