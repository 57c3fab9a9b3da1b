"""The provider's own words are found in every form of an error body."""

import json

import pytest

from services.worker.calls.provider.error_body import ErrorBody, read_error_body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"error": {"message": "m", "type": "t", "code": "c", "param": "p"}},
            ErrorBody("t", "c", "m", "p", has_object=True),
        ),
        ({"error": {"message": "m", "code": 503}}, ErrorBody("", "503", "m", has_object=True)),
        ({"error": {"message": None, "type": {"a": 1}, "code": True}}, ErrorBody(has_object=True)),
        ([{"error": {"message": "m", "status": "S"}}], ErrorBody("S", "", "m", has_object=True)),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, ErrorBody("t", "", "m", has_object=True)),
        ({"object": "error", "message": "m", "type": "t", "code": 404}, ErrorBody("t", "404", "m", "", True)),
        ({"error": "m"}, ErrorBody(message="m", has_object=True)),
        ({"error": "E", "message": "m"}, ErrorBody(message="E: m", has_object=True)),
        ({"detail": "Not Found"}, ErrorBody(message="Not Found")),
        ({"detail": [{"msg": "a"}, {"msg": "b"}, 1]}, ErrorBody(message="a; b")),
        ({"detail": {"error": {"message": "m"}}}, ErrorBody(message="m", has_object=True)),
        ({"message": "m"}, ErrorBody(message="m")),
        (
            {"error": {"message": "m", "metadata": {"raw": "theirs"}}},
            ErrorBody(message="m: theirs", has_object=True),
        ),
        ("just text", ErrorBody(message="just text")),
        ([], ErrorBody()),
        ([1], ErrorBody()),
        (None, ErrorBody()),
        (5, ErrorBody()),
    ],
)
def test_words_are_found_in_json(body, words):
    assert read_error_body(json.dumps(body).encode()) == words
    assert read_error_body(body) == words


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"upstream  connect\nerror", "upstream connect error"),
        (b"<html><head><title>502 Bad Gateway</title></head><p>nginx</p></html>", "502 Bad Gateway"),
        (b"<!DOCTYPE html><h1>Sorry, <b>no</b></h1>", "Sorry, no"),
        (b"<html>nothing</html>", ""),
        (b"\xff\xfe broken", "\ufffd\ufffd broken"),
        (b'{"error": {"mess', '{"error": {"mess'),
    ],
)
def test_text_that_is_not_json_is_the_message(body, message):
    assert read_error_body(body) == ErrorBody(message=message)


def test_a_huge_message_is_cut():
    assert len(read_error_body(json.dumps({"error": "x" * 10_000}).encode()).message) == 2000
    assert len(read_error_body(b"y" * 100_000).message) == 2000
