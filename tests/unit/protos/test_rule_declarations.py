"""protos/buf declares what the installed protovalidate holds."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from protovalidate._gen.buf.validate import validate_pb

from deploy.protos.rule_declarations import PATH, print_file


@pytest.fixture(scope="module")
def packaged():
    """As the package brings it."""
    return FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())


def bare(file):
    """The messages, fields, enums and extensions of a file, in order of their numbers and without options."""
    copied = FileDescriptorProto.FromString(file.SerializeToString())
    for option in ("source_code_info", "options", "syntax"):
        copied.ClearField(option)
    _strip(copied.extension)
    _strip_messages(copied.message_type)
    for enum in copied.enum_type:
        _strip(enum.value)
    return copied


def _strip_messages(messages):
    for message in messages:
        message.ClearField("options")
        _strip(message.field)
        for extension_range in message.extension_range:
            extension_range.ClearField("options")
        for enum in message.enum_type:
            _strip(enum.value)
        _strip_messages(message.nested_type)


def _strip(parts):
    for part in parts:
        part.ClearField("options")
        if hasattr(part, "json_name"):
            part.ClearField("json_name")
    parts.sort(key=lambda part: part.number)


def test_the_declarations_compile_to_the_messages_that_protovalidate_reads(image, packaged):
    (compiled,) = (file for file in image.file if file.name == str(PATH))
    assert bare(compiled) == bare(packaged)


def test_they_are_declared_in_the_same_syntax(image, packaged):
    (compiled,) = (file for file in image.file if file.name == str(PATH))
    assert compiled.syntax in ("", "proto2")
    assert packaged.syntax in ("", "proto2")


def test_their_text_names_where_it_comes_from(packaged):
    first = print_file(packaged).splitlines()[0]
    assert "protovalidate" in first
    assert "do not edit" in first
