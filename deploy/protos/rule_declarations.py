"""Declares protovalidate's rules as a proto file: ``python -m deploy.protos.rule_declarations [FOLDER]``.

The protos import buf/validate/validate.proto, which the installed protovalidate holds as descriptors only.
The file declares its messages, enums and extensions. It has no comments and no definitions of the rules,
which come with every protovalidate.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from protovalidate._gen.buf.validate import validate_pb

from deploy.local.paths import REPOSITORY

PATH = Path("buf/validate/validate.proto")
_LABELS = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional ",
    FieldDescriptorProto.LABEL_REQUIRED: "required ",
    FieldDescriptorProto.LABEL_REPEATED: "repeated ",
}
_LAST_NUMBER = 536_870_911


def print_file(file: FileDescriptorProto) -> str:
    """Returns the text of a proto2 file with the same messages, enums and extensions."""
    origin = f"protovalidate {version('protovalidate')} (Apache-2.0, Buf Technologies)"
    lines = [
        f"// Generated from {origin}: do not edit.",
        'syntax = "proto2";',
        f"package {file.package};",
        *(f'import "{name}";' for name in file.dependency),
        f'option go_package = "{file.options.go_package}";',
        f'option java_package = "{file.options.java_package}";',
    ]
    for extended in dict.fromkeys(field.extendee for field in file.extension):
        fields = [field for field in file.extension if field.extendee == extended]
        lines += [f"extend {extended} {{", *map(_field, fields), "}"]
    for message in file.message_type:
        lines += _message(message)
    for enum in file.enum_type:
        lines += _enum(enum)
    return "\n".join(lines) + "\n"


def _message(message: DescriptorProto) -> Iterator[str]:
    yield f"message {message.name} {{"
    for enum in message.enum_type:
        yield from _enum(enum)
    for nested in message.nested_type:
        yield from _message(nested)
    yield from map(_field, (field for field in message.field if not field.HasField("oneof_index")))
    for index, oneof in enumerate(message.oneof_decl):
        members = [f for f in message.field if f.HasField("oneof_index") and f.oneof_index == index]
        yield from (f"oneof {oneof.name} {{", *(_field(f, labelled=False) for f in members), "}")
    if message.extension_range:
        yield "extensions " + _ranges([(r.start, r.end - 1) for r in message.extension_range])
    if message.reserved_range:
        yield "reserved " + _ranges([(r.start, r.end - 1) for r in message.reserved_range])
    if message.reserved_name:
        yield "reserved " + ", ".join(f'"{name}"' for name in message.reserved_name) + ";"
    yield "}"


def _field(field: FieldDescriptorProto, *, labelled: bool = True) -> str:
    kind = field.type_name or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    label = _LABELS[field.label] if labelled else ""
    return f"{label}{kind} {field.name} = {field.number};"


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    for value in enum.value:
        yield f"{value.name} = {value.number};"
    if enum.reserved_range:
        yield "reserved " + _ranges([(r.start, r.end) for r in enum.reserved_range])
    if enum.reserved_name:
        yield "reserved " + ", ".join(f'"{name}"' for name in enum.reserved_name) + ";"
    yield "}"


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{first} to {'max' if last == _LAST_NUMBER else last}" for first, last in ranges) + ";"


def main() -> None:
    """Writes the file below the folder given, or below protos/."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "protos"
    (folder / PATH).parent.mkdir(parents=True, exist_ok=True)
    file = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    (folder / PATH).write_text(print_file(file))


if __name__ == "__main__":
    main()
