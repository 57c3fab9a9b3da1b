"""Bodies that strict JSON refuses are read too."""

import pytest

from services.worker.calls.provider.json_body import read_json
from services.worker.calls.provider.response import read_completion
from services.worker.calls.provider.usage import Tokens, read_tokens

ANSWER = (
    '{"choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}], '
    '"usage": {"prompt_tokens": 9, "completion_tokens": 2}}'
)


def with_field(text):
    return (ANSWER[:-1] + f', "x": {text}}}').encode()


@pytest.mark.parametrize(
    "body",
    [
        ANSWER.encode(),
        with_field("NaN"),
        with_field("-Infinity"),
        with_field("[Infinity, 1]"),
        with_field('"a\nb\tc"'),
        with_field('"\\ud800"'),
        with_field('"\xff"').decode().encode("latin-1"),
        with_field("[1, 2,]"),
        with_field("1" * 400),
        b"\xef\xbb\xbf" + ANSWER.encode(),
        ANSWER.encode("utf-16"),
        ANSWER.encode("utf-16-le"),
        ANSWER.encode("utf-32"),
        ANSWER.encode() + b"\x00",
        ANSWER.encode() + b"\n\n[DONE]",
        ANSWER.encode() + ANSWER.encode(),
        b"\n\n: PROCESSING\n\n" + ANSWER.encode(),
        b")]}',\n" + ANSWER.encode(),
        b"```json\n" + ANSWER.encode() + b"\n```",
        b"data: " + ANSWER.replace('"message"', '"delta"').encode() + b"\n\ndata: [DONE]\n\n",
    ],
)
def test_an_answer_is_read_with_its_tokens(body):
    response = read_json(body)
    tokens = read_tokens(response)
    assert read_completion(response, tokens).text == "Sales"
    assert tokens == (9, 2, 0, True)


def test_a_stream_of_events_is_joined():
    body = (
        b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "Sal"}, "finish_reason": null}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "es"}, "finish_reason": null}]}\n\n'
        b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n\n'
        b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}\n\n'
        b"data: [DONE]\n\n"
    )
    response = read_json(body)
    completion = read_completion(response, read_tokens(response))
    assert (completion.text, completion.finish_reason) == ("Sales", "length")
    assert (completion.input_tokens, completion.output_tokens) == (9, 2)


def test_text_stays_valid_unicode():
    body = ANSWER.replace("Sales", "Sales \\ud800").encode()
    read_completion(read_json(body), read_tokens(read_json(body))).text.encode()


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (ANSWER[:-1].encode(), (9, 2, 0, True)),
        (b'{"usage": {"prompt_tokens": 9, "completion_tokens": 2}, "choices": [{"mess', (9, 2, 0, True)),
        (b'{"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}', (9, 0, 4, False)),
        (b'{"usage": {"prompt_tokens" : 9 , "total_tokens":11', (9, 2, 0, True)),
        (b'{"usage": {"prompt_tokens": -1', (0, 0, 0, False)),
    ],
)
def test_tokens_are_found_in_a_body_that_is_cut_off(body, tokens):
    assert read_tokens(read_json(body)) == tokens


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"<h1>no</h1>", b"upstream gone", b'{"choices": [{"mess', b"{" * 100_000, b"\xff\xfe"],
)
def test_a_body_without_an_object_is_nothing(body):
    assert read_json(body) is None


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/json; charset=latin-1", "Caf\u00e9"),
        ('application/json; charset="ISO-8859-1"', "Caf\u00e9"),
        ("application/json; charset=cp1252", "Caf\u00e9"),
        ("application/json; charset=nonsense", "Caf\u00e9"),
        ("application/json", "Caf\u00e9"),
        ("", "Caf\u00e9"),
    ],
)
def test_text_without_a_letter_of_utf_8_is_read_by_its_charset_or_as_latin(content_type, text):
    body = ANSWER.replace("Sales", "Caf\u00e9").encode("latin-1")
    assert read_completion(read_json(body, content_type), Tokens()).text == text


def test_a_broken_letter_among_those_of_utf_8_is_replaced():
    body = ANSWER.encode().replace(b"Sales", "Caf\u00e9 ".encode() + b"\xe9")
    assert read_completion(read_json(body, ""), Tokens()).text == "Caf\u00e9 \ufffd"


def test_valid_utf_8_stays_so_whatever_charset_is_declared():
    body = ANSWER.replace("Sales", "Caf\u00e9").encode()
    assert read_completion(read_json(body, "text/plain; charset=latin-1"), Tokens()).text == "Caf\u00e9"
