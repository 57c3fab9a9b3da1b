"""The protos and their rules of protovalidate, read once."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from deploy.protos.descriptors import MEMBER, MESSAGE, Comments, build_image


class Rule(NamedTuple):
    """One rule of one field: ``string.max_len`` of ``SubmitJobRequest.kind`` is 128."""

    message: str
    field: str
    comment: str
    path: str
    value: Any


@pytest.fixture(scope="session")
def image() -> FileDescriptorSet:
    """All files of protos/ and what they import."""
    return build_image()


@pytest.fixture(scope="session")
def files(image) -> list[FileDescriptorProto]:
    """Files of the public API."""
    return [file for file in image.file if file.package.startswith("headrace.")]


@pytest.fixture(scope="session")
def own_files(image) -> list[FileDescriptorProto]:
    """Files of the public API and of the contracts between the services."""
    return [file for file in image.file if file.package.startswith(("headrace.", "headrace_internal."))]


@pytest.fixture(scope="session")
def rules(image, files) -> list[Rule]:
    """Every rule of every field, those for the items of a list included."""
    pool = DescriptorPool()
    for file in image.file:
        pool.Add(file)
    options = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
    extension = pool.FindExtensionByName("buf.validate.field")

    def of_field(field: FieldDescriptorProto) -> Iterator[tuple[str, Any]]:
        return _flattened(options.FromString(field.options.SerializeToString()).Extensions[extension])

    return [
        Rule(f"{file.package}.{message.name}", field.name, comment, path, value)
        for file in files
        for i, message in enumerate(file.message_type)
        for j, field in enumerate(message.field)
        for comment in [" ".join(Comments(file).paragraphs([MESSAGE, i, MEMBER, j]))]
        for path, value in of_field(field)
    ]


def _flattened(rules: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for field, value in rules.ListFields():
        if field.message_type and field.message_type.full_name == "google.protobuf.Duration":
            yield f"{before}{field.name}", value.seconds + value.nanos / 1e9
        elif hasattr(value, "ListFields"):
            yield from _flattened(value, f"{before}{field.name}.")
        else:
            yield f"{before}{field.name}", value
