"""What the comments of the public calls tell everywhere."""

import re

import pytest

from deploy.protos.descriptors import MEMBER, SERVICE, Comments


@pytest.fixture(scope="module")
def calls(files):
    """Each call of the gateway with its comment."""
    (file,) = (file for file in files if file.package == "headrace.gateway.v1")
    (service,) = file.service
    told = Comments(file)
    return [
        (method, "\n".join(told.paragraphs([SERVICE, 0, MEMBER, i])))
        for i, method in enumerate(service.method)
    ]


@pytest.fixture(scope="module")
def without_fields(files):
    """Full names of the messages that have nothing that could be wrong."""
    return {f".{f.package}.{message.name}" for f in files for message in f.message_type if not message.field}


def test_every_call_tells_whether_repeating_it_is_safe(calls):
    for method, comment in calls:
        if method.client_streaming or method.server_streaming:
            assert "After a break call again, at any gateway" in comment, method.name
        else:
            assert "afe to repeat" in comment, method.name


def test_every_call_names_its_errors_with_their_reasons(calls, without_fields):
    for method, comment in calls:
        if method.input_type not in without_fields:
            (errors,) = re.findall(r"^Errors: (.*)$", comment, re.MULTILINE)
            assert "INVALID_ARGUMENT (INVALID_FIELD" in errors, method.name


def test_every_call_about_a_job_tells_that_it_may_be_missing(calls, files):
    about_a_job = {
        f".{file.package}.{message.name}"
        for file in files
        for message in file.message_type
        if any(field.name == "job_id" for field in message.field)
    }
    for method, comment in calls:
        assert ("NOT_FOUND (JOB_NOT_FOUND)" in comment) == (method.input_type in about_a_job), method.name


def test_every_stream_tells_that_a_stopping_gateway_breaks_it(calls):
    for method, comment in calls:
        streams = method.client_streaming or method.server_streaming
        assert ("UNAVAILABLE when the gateway stops" in comment) == streams, method.name
