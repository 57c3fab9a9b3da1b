"""Keys and values of the response store."""

from dataclasses import replace

import pytest

from headrace.kinds import Completion, Message
from services.worker.calls.provider import CompletionRequest
from services.worker.calls.response_cache.encoding import (
    MAX_RESPONSE_BYTES,
    decode_response,
    encode_response,
    is_mark,
    key_of,
    mark_of,
)

REQUEST = CompletionRequest("m", (Message("system", "secret"), Message("user", "hello")), 0.5, 100)


def test_whatever_changes_the_response_changes_the_key():
    keys = [
        key_of("t", "p", REQUEST, 0),
        key_of("other", "p", REQUEST, 0),
        key_of("t", "other", REQUEST, 0),
        key_of("t", "p", REQUEST, 1),
        key_of("t", "p", replace(REQUEST, model="other"), 0),
        key_of("t", "p", replace(REQUEST, temperature=None), 0),
        key_of("t", "p", replace(REQUEST, temperature=0.6), 0),
        key_of("t", "p", replace(REQUEST, max_output_tokens=None), 0),
        key_of("t", "p", replace(REQUEST, messages=REQUEST.messages[::-1]), 0),
        key_of("t", "p", replace(REQUEST, messages=REQUEST.messages[1:]), 0),
        key_of("t", "p", replace(REQUEST, messages=(Message("user", "secrethello"),)), 0),
        key_of("t", "p", REQUEST, 0, '{"body":{"seed":1}}'),
        key_of("t", "p", REQUEST, 0, '{"body":{"seed":2}}'),
        key_of("t", "p", REQUEST, 1, '{"body":{"seed":1}}'),
    ]
    assert len(set(keys)) == len(keys)


def test_the_timeout_is_not_part_of_the_key_and_the_key_does_not_reveal_the_text():
    key = key_of("t", "p", REQUEST, 0)
    assert key == key_of("t", "p", replace(REQUEST, timeout_seconds=3.0), 0)
    assert key is not None
    assert len(key) == 64
    assert int(key, 16)


def test_the_key_of_a_request_in_the_usual_form_is_that_of_earlier_versions():
    assert key_of("t", "p", REQUEST, 0) == "d11f7fec8c666726a5955611b04e83d285fa15b1c9f47d54428a50f20b0224d7"


def test_a_request_that_is_not_valid_unicode_has_no_key():
    assert key_of("t", "p", replace(REQUEST, messages=(Message("user", "\ud800"),)), 0) is None


@pytest.mark.parametrize(
    "response",
    [Completion(""), Completion("Zoë \N{GRINNING FACE}\n", "length", 10**12, 2, 3), Completion("@x", "=")],
)
def test_a_response_comes_back_as_it_was(response):
    value = encode_response("k", response)
    assert value is not None
    assert not is_mark(value)
    assert decode_response("k", value) == response


def test_what_is_too_large_or_no_valid_unicode_is_not_cached():
    assert encode_response("k", Completion("x" * MAX_RESPONSE_BYTES)) is None
    assert encode_response("k", Completion("x" * (MAX_RESPONSE_BYTES - 100))) is not None
    assert encode_response("k", Completion("\ud800")) is None


@pytest.mark.parametrize(
    "value",
    [b"", b"=", b"={}", b"=[]", b"=null", b'=["k","a","stop",1,2]', b'=["k",1,"stop",1,2,3]', mark_of("w")],
)
def test_a_value_that_is_not_a_response_is_none(value):
    assert decode_response("k", value) is None


def test_the_response_of_another_key_is_none():
    value = encode_response("other", Completion("yes"))
    assert value is not None
    assert decode_response("k", value) is None


def test_a_mark_is_not_a_response():
    assert is_mark(mark_of("w"))
