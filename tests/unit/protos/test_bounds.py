"""Nothing in a message is without a bound: walks every message of the public and the internal protos."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# Rules that bound the length of a value. A UUID has one form and one length.
LENGTHS = {
    FieldDescriptor.TYPE_STRING: ("string", {"max_len", "max_bytes", "len", "len_bytes", "uuid", "in"}),
    FieldDescriptor.TYPE_BYTES: ("bytes", {"max_len", "len"}),
}


def named(rules) -> set[str]:
    """Names of the rules that are set."""
    return {field.name for field, _ in rules.ListFields()}


def has_length(field, rules) -> bool:
    """Returns whether a value of the field has a longest form."""
    kind, lengths = LENGTHS.get(field.type, ("", set()))
    return not lengths or bool(named(getattr(rules, kind)) & lengths)


def is_map(field) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def fields_without_a_bound(message, rules_of) -> Iterator[str]:
    """Yields the unbounded fields of a message and of those declared in it."""
    for field in message.fields:
        rules = rules_of(field)
        if is_map(field):
            key, value = field.message_type.fields
            is_bounded = (
                "max_pairs" in named(rules.map)
                and has_length(key, rules.map.keys)
                and has_length(value, rules.map.values)
            )
        elif field.is_repeated:
            is_bounded = "max_items" in named(rules.repeated) and has_length(field, rules.repeated.items)
        else:
            is_bounded = has_length(field, rules)
        if not is_bounded:
            yield f"{message.full_name}.{field.name}"
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            yield from fields_without_a_bound(nested, rules_of)


@pytest.fixture(scope="module")
def rules_of_fields():
    """Returns a function from files to the unbounded fields of their messages."""

    def find(files, imports):
        pool = DescriptorPool()
        for file in [*imports, *files]:
            pool.Add(file)
        options = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
        extension = pool.FindExtensionByName("buf.validate.field")

        def rules_of(field):
            return options.FromString(field.GetOptions().SerializeToString()).Extensions[extension]

        messages = [
            message
            for file in files
            for message in pool.FindFileByName(file.name).message_types_by_name.values()
        ]
        assert messages
        return [name for message in messages for name in fields_without_a_bound(message, rules_of)]

    return find


def test_every_list_map_string_and_bytes_of_every_message_has_a_bound(image, own_files, rules_of_fields):
    own = {file.name for file in own_files}
    imports = [file for file in image.file if file.name not in own]
    assert len(own_files) >= 5
    assert rules_of_fields(own_files, imports) == []


def test_a_field_without_a_bound_is_found(image, own_files, rules_of_fields):
    own = {file.name for file in own_files}
    imports = [file for file in image.file if file.name not in own]
    (gateway,) = (file for file in own_files if file.package == "headrace.gateway.v1")
    (listing,) = (message for message in gateway.message_type if message.name == "ListJobsRequest")
    changed = type(gateway).FromString(gateway.SerializeToString())
    for message in changed.message_type:
        if message.name == listing.name:
            for field in message.field:
                field.ClearField("options")
    jobs = [file for file in own_files if file.package == "headrace.jobs.v1"]
    assert rules_of_fields([*jobs, changed], imports) == [
        "headrace.gateway.v1.ListJobsRequest.page_token",
        "headrace.gateway.v1.ListJobsRequest.states",
        "headrace.gateway.v1.ListJobsRequest.kind",
        "headrace.gateway.v1.ListJobsRequest.labels",
        "headrace.gateway.v1.ListJobsRequest.name",
    ]
