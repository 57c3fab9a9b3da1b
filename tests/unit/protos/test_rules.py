"""The rules of protovalidate: written in the comments, and enforced through the stubs."""

import re

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator

from deploy.protos.descriptors import MEMBER, MESSAGE, Comments
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

MEGABYTE = 1024 * 1024

# Durations as comments spell them, by their seconds.
SPOKEN = {
    0.001: "1 millisecond",
    1: "1 second",
    60: "1 minute",
    3600: "1 hour",
    86_400: "1 day",
    31_622_400: "366 days",
}
# Part of the comment of a field with the rule.
SAID = {
    "string.min_len": lambda _: "Required",
    "string.max_len": lambda value: f"{value:,} characters",
    "string.max_bytes": lambda value: f"{value // MEGABYTE} MB",
    "string.uuid": lambda _: "UUID",
    "double.gte": lambda value: f"{value:g} to ",
    "double.lte": lambda value: f" to {value:g}",
    "int32.gte": lambda value: f"{value} or more" if value else "1 to ",
    "int64.gte": lambda value: f"{value} or more" if value else "0",
    "int64.lte": lambda value: f"to {value:,}",
    "duration.gte": lambda value: f"{SPOKEN[value]} to ",
    "duration.lte": lambda value: f" to {SPOKEN[value]}",
    "repeated.max_items": lambda value: f"to {value:,}",
    "repeated.unique": lambda _: "each once",
    "repeated.items.string.max_bytes": lambda value: f"{value // MEGABYTE} MB",
    "repeated.items.string.min_len": lambda value: f"{value} to ",
    "repeated.items.string.max_len": lambda value: f" to {value:,} characters",
    "repeated.items.int64.gte": lambda value: f"from {value}",
    "string.pattern": lambda _: "YYYY-MM-DD",
    "map.max_pairs": lambda value: f"p to {value}",
}


def just_below(seconds) -> Duration:
    whole, nanos = divmod(round(seconds * 1e9) - 1, 10**9)
    return Duration(seconds=whole, nanos=nanos)


# A value that breaks the rule.
WRONG = {
    "string.min_len": lambda value: "x" * (value - 1),
    "string.max_len": lambda value: "x" * (value + 1),
    "string.max_bytes": lambda value: "ä" * (value // 2 + 1),
    "string.uuid": lambda _: "0198c5a2",
    "enum.defined_only": lambda _: 999,
    "double.gte": lambda value: value - 0.5,
    "double.lte": lambda value: value + 0.5,
    "int32.gte": lambda value: value - 1,
    "int64.gte": lambda value: value - 1,
    "int64.lte": lambda value: value + 1,
    "duration.gte": just_below,
    "duration.lte": lambda value: Duration(seconds=int(value), nanos=1),
    "repeated.max_items": lambda value: ["1"] * (value + 1),
    "repeated.unique": lambda _: [1, 1],
    "repeated.items.string.max_bytes": lambda value: ["1", "x" * (value + 1)],
    "repeated.items.string.min_len": lambda value: ["x" * (value - 1)],
    "repeated.items.string.max_len": lambda value: ["x" * (value + 1)],
    "repeated.items.int64.gte": lambda value: [value - 1],
    "string.pattern": lambda _: "2026-1-1",
    "map.max_pairs": lambda value: {f"k{number}": "" for number in range(value + 1)},
    "map.keys.string.min_len": lambda _: {"": ""},
    "map.keys.string.max_len": lambda value: {"k" * (value + 1): ""},
    "map.keys.string.pattern": lambda _: {"-": ""},
    "map.values.string.max_len": lambda value: {"k": "x" * (value + 1)},
    "repeated.items.enum.defined_only": lambda _: [999],
    "repeated.items.enum.not_in": list,
}
# An element of a list, by its type. Others are strings.
ELEMENTS = {FieldDescriptor.TYPE_INT64: 1, FieldDescriptor.TYPE_ENUM: 1, FieldDescriptor.TYPE_MESSAGE: {}}
# Sent back as the server made them: callers do not need their length.
TOKENS = {"page_token", "resume_token", "cursor"}
# Not about values: how other rules apply, or what the type already says.
# Labels state the form of their keys and values where they are set.
SILENT = {
    "ignore",
    "enum.defined_only",
    "repeated.items.enum.defined_only",
    "repeated.items.enum.not_in",
    "map.keys.string.min_len",
    "map.keys.string.max_len",
    "map.keys.string.pattern",
    "map.values.string.max_len",
}


@pytest.fixture(scope="module")
def violated():
    """Returns `path` and rule of each violation of a message."""
    validator = Validator()

    def find(message):
        found = [violation.proto for violation in validator.collect_violations(message)]
        return {(each.field.elements[0].field_name if each.field else "", each.rule_id) for each in found}

    return find


def rule_ids(rule):
    """Ids that protovalidate gives a rule. A range has an id of its own."""
    rule_id = re.sub(r"^(repeated\.items|map\.keys|map\.values)\.", "", rule.path)
    return {rule_id, re.sub("gte|lte", "gte_lte", rule_id)}


def messages_below(message):
    """Names of a message and of those in it."""
    below = [field.message_type for field in message.fields if field.message_type]
    return {message.full_name}.union(*map(messages_below, below))


def test_every_field_of_a_request_states_its_limits_in_its_comment(rules):
    pool = descriptor_pool.Default()
    sent = set().union(
        *(
            messages_below(pool.FindMessageTypeByName(rule.message))
            for rule in rules
            if rule.message.endswith("Request")
        )
    )
    assert "headrace.jobs.v1.JobOptions" in sent
    for rule in rules:
        if rule.message in sent and rule.path not in SILENT and rule.field not in TOKENS:
            assert SAID[rule.path](rule.value) in rule.comment, f"{rule.message}.{rule.field}: {rule.path}"


def test_protovalidate_finds_every_rule_through_the_stubs(rules, violated):
    assert rules
    for rule in rules:
        if rule.path != "ignore":
            make = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(rule.message))
            field = make.DESCRIPTOR.fields_by_name[rule.field]
            value = WRONG[rule.path](rule.value)
            if rule.path == "repeated.max_items":
                value = [ELEMENTS.get(field.type, "1")] * len(value)
            wrong = make(**{rule.field: value})
            found = {rule_id for field, rule_id in violated(wrong) if field == rule.field}
            assert found & rule_ids(rule), f"{rule.message}.{rule.field}: {rule.path}"


def test_the_limit_of_an_upload_is_stated_where_it_is_opened(files):
    (file,) = (file for file in files if file.package == "headrace.gateway.v1")
    (opened,) = (i for i, message in enumerate(file.message_type) if message.name == "SubmitJobRequest")
    place = [field.name for field in file.message_type[opened].field].index("upload")
    assert "up to 10,000,000" in " ".join(Comments(file).paragraphs([MESSAGE, opened, MEMBER, place]))


def test_values_at_their_limits_are_within_them(violated):
    at_limit = gateway_pb2.SubmitJobRequest(
        kind="ä" * 128,
        params="x" * MEGABYTE,
        items=["1"] * 100_000,
        request_id="r" * 128,
        options=jobs_pb2.JobOptions(
            max_failed_ratio=1,
            max_parallelism=1,
            job_timeout=Duration(seconds=366 * 86_400),
            item_timeout=Duration(nanos=1_000_000),
            call_timeout=Duration(seconds=3_600),
        ),
    )
    assert violated(at_limit) == set()
    assert violated(gateway_pb2.AppendItemsRequest(first_item_index=10_000_000, items=[""])) == set()
    assert violated(gateway_pb2.ListJobsRequest(page_size=2**31 - 1, states=[1, 2])) == set()


def test_a_job_has_items_or_an_upload_and_not_both(violated):
    assert violated(gateway_pb2.SubmitJobRequest(kind="noop", upload=True)) == set()
    for wrong in ({}, {"items": ["1"], "upload": True}):
        assert violated(gateway_pb2.SubmitJobRequest(kind="noop", **wrong)) == {("", "message.oneof")}
