"""Comments of the calls say what a caller relies on."""

import re

import pytest

from deploy.protos.descriptors import MEMBER, SERVICE, Comments
from deploy.protos.error_reasons import read_reasons


@pytest.fixture(scope="module")
def calls(files):
    """Each call of the gateway with its comment."""
    (file,) = (file for file in files if file.package == "headrace.gateway.v1")
    (service,) = file.service
    comments = Comments(file)
    return [
        (method, "\n".join(comments.paragraphs([SERVICE, 0, MEMBER, i])))
        for i, method in enumerate(service.method)
    ]


@pytest.fixture(scope="module")
def without_fields(files):
    """Full names of the messages that have nothing that could be wrong."""
    return {f".{f.package}.{message.name}" for f in files for message in f.message_type if not message.field}


def listed_errors(comment):
    """The items of the list below "Errors:"."""
    _, _, errors = comment.partition("\nErrors:\n")
    return [line.removeprefix("- ") for line in errors.splitlines()]


def test_every_call_says_whether_repeating_it_is_safe(calls):
    for method, comment in calls:
        if method.client_streaming or method.server_streaming:
            assert "After a break, call again at any gateway" in comment, method.name
        else:
            assert "afe to repeat" in comment, method.name


def test_every_call_names_its_errors_with_their_reasons(calls, without_fields):
    for method, comment in calls:
        if method.input_type not in without_fields:
            errors = listed_errors(comment)
            assert errors[0].startswith("INVALID_ARGUMENT (INVALID_FIELD"), method.name
            assert all(re.match(r"[A-Z_]+ \([A-Z_, ]+\): \S", error) for error in errors), method.name


def test_every_call_about_a_job_says_that_it_may_be_missing(calls, files):
    about_a_job = {
        f".{file.package}.{message.name}"
        for file in files
        for message in file.message_type
        if any(field.name == "job_id" for field in message.field)
    }
    for method, comment in calls:
        assert ("NOT_FOUND (JOB_NOT_FOUND)" in comment) == (method.input_type in about_a_job), method.name


def test_every_stream_says_that_a_stopping_gateway_breaks_it(calls):
    for method, comment in calls:
        streams = method.client_streaming or method.server_streaming
        assert ("UNAVAILABLE (GATEWAY_STOPPING)" in comment) == streams, method.name


def test_every_reason_that_a_comment_names_is_declared(image):
    reasons = {reason.name for reason in read_reasons(list(image.file))}
    own = [file for file in image.file if file.package.startswith("headrace")]
    texts = [location.leading_comments for file in own for location in file.source_code_info.location]
    named = set(re.findall(r"[A-Z_]{3,} \(([A-Z_]{3,}(?:, [A-Z_]{3,})*)\)", " ".join(texts)))
    assert named
    assert {reason for group in named for reason in group.split(", ")} <= reasons
