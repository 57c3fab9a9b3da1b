"""Options of requests: those that are sent, and those that a submit refuses by name with a remedy."""

import json

import pytest

from headrace.errors import InvalidArgumentError
from headrace.kinds import RequestOptions, builtin_kinds, validate_params

GOOD = {
    "llm.complete": {"prompt": "{text}"},
    "llm.classify": {"labels": ["a", "b"], "template": "{text}"},
}


def params(kind="llm.complete", **options):
    return validate_params(builtin_kinds()[kind], json.dumps({**GOOD[kind], **options}))


def refusal(**options):
    with pytest.raises(InvalidArgumentError) as raised:
        params(**options)
    ((field, description),) = dict(raised.value.violations).items()
    return field, description


@pytest.mark.parametrize("kind", GOOD)
def test_every_option_has_the_name_of_the_openai_library(kind):
    fields = {
        "top_p": 0.5,
        "frequency_penalty": -2.0,
        "presence_penalty": 1.5,
        "stop": ["END"],
        "seed": 7,
        "reasoning_effort": "low",
        "service_tier": "flex",
        "response_format": {"type": "json_object"},
    }
    validated = params(
        kind, **fields, temperature=0, extra_body={"top_k": 5}, extra_headers={"x-team": "search"}
    )
    assert validated.request_options == RequestOptions(
        fields={**fields, "top_k": 5}, headers={"x-team": "search"}
    )


def test_a_job_without_options_has_none():
    assert params().request_options is None
    assert params(temperature=1).request_options is None
    assert params(extra_body={}, extra_headers={}).request_options is None


def test_equal_options_are_equal_whatever_the_order_of_their_fields():
    one, other = (params(extra_body=body).request_options for body in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert one == other
    assert hash(one) == hash(other)
    assert one != params(extra_body={"a": 1}).request_options


@pytest.mark.parametrize("value", [None, {"a": [1, None, True, "x"]}, [], 0, "", 1e300])
def test_a_field_that_headrace_does_not_know_is_sent_as_it_is(value):
    assert params(extra_body={"theirs": value}).request_options.fields == {"theirs": value}


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("stream", "remove it"),
        ("Stream", "remove it"),
        ("\u017ftream", "remove it"),
        ("stream_options", "remove it"),
        ("streamOptions", "remove it"),
        ("messages", "remove it"),
        ("model", "use params.model"),
        ("MODEL", "use params.model"),
        ("max_tokens", "use params.max_output_tokens"),
        ("maxTokens", "use params.max_output_tokens"),
        ("max_completion_tokens", "use params.max_output_tokens"),
        ("temperature", "use params.temperature"),
        ("service_tier", "use params.service_tier"),
        ("serviceTier", "use params.service_tier"),
        ("response_format", "use params.response_format"),
        ("seed", "use params.seed"),
        ("api_key", "settings of the worker"),
        ("api_base", "settings of the worker"),
        ("base_url", "settings of the worker"),
        ("extra_body", "into params.extra_body"),
        ("extra_headers", "use params.extra_headers"),
    ],
)
def test_a_field_that_headrace_sets_is_refused_with_the_remedy(name, remedy):
    field, description = refusal(extra_body={"top_k": 1, name: "s3cret"})
    assert field == "params.extra_body"
    assert remedy in description
    assert "s3cret" not in description


@pytest.mark.parametrize(
    ("body", "is_good"),
    [
        ({"n": 1}, True),
        ({"n": 2}, False),
        ({"N": 2}, False),
        ({"n": True}, False),
        ({"n": None}, False),
        ({"modalities": ["text"]}, True),
        ({"modalities": ["text", "audio"]}, False),
    ],
)
def test_one_answer_in_text_is_asked_for(body, is_good):
    if is_good:
        assert params(extra_body=body).request_options.fields == body
    else:
        assert "one answer in text is read" in refusal(extra_body=body)[1]


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"extra_body": {"x": "y" * 70_000}}, "params.extra_body", "65,536 bytes"),
        ({"extra_body": {"x": nested(300)}}, "params.extra_body", "nested at most"),
        ({"extra_body": {"x" * 101: 1}}, "params.extra_body", "name at position 0"),
        ({"extra_body": {"": 1}}, "params.extra_body", "name at position 0"),
        ({"extra_body": []}, "params.extra_body", "dictionary"),
        ({"response_format": {"type": "json_schema", "x": "y" * 70_000}}, "params.response_format", "65,536"),
        ({"response_format": {"json_schema": {}}}, "params.response_format", '"type"'),
        ({"response_format": "json_object"}, "params.response_format", "dictionary"),
        ({"stop": []}, "params.stop", "1 to 16"),
        ({"stop": [""]}, "params.stop", "1 to 16"),
        ({"stop": ["x"] * 17}, "params.stop", "1 to 16"),
        ({"stop": "x" * 1001}, "params.stop", "1 to 16"),
        ({"stop": 7}, "params.stop", "1 to 16"),
        ({"seed": 1.5}, "params.seed", "integer"),
        ({"seed": 2**63}, "params.seed", ""),
        ({"top_p": 1.1}, "params.top_p", "less than or equal to 1"),
        ({"presence_penalty": -2.1}, "params.presence_penalty", "greater than or equal to -2"),
        ({"service_tier": "x y"}, "params.service_tier", "pattern"),
        ({"service_tier": ""}, "params.service_tier", "pattern"),
        ({"reasoning_effort": "x" * 65}, "params.reasoning_effort", "pattern"),
        ({"system_role": "user"}, "params.system_role", "'developer'"),
        ({"max_tokens_field": "max"}, "params.max_tokens_field", "'max_tokens'"),
    ],
)
def test_an_option_of_another_form_or_size_is_refused_by_name(options, field, words):
    found, description = refusal(**options)
    assert found == field
    assert words in description


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "authorization",
        "Proxy-Authorization",
        "api-key",
        "x-api-key",
        "X-Goog-Api-Key",
        "Ocp-Apim-Subscription-Key",
        "portkey-virtual-key",
        "Cookie",
        "Set-Cookie",
        "Helicone-Auth",
        "x-auth-token",
        "X-Amz-Security-Token",
        "x-client-secret",
        "x-password",
    ],
)
def test_a_header_that_carries_a_secret_is_refused_with_the_remedy(name):
    field, description = refusal(extra_headers={name: "s3cret"})
    assert field == "params.extra_headers"
    assert f"must not set {name}" in description
    assert "OPENAI_API_KEY" in description
    assert "s3cret" not in description


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "Basic dTpw", "sk-abc", " sk-abc"])
def test_a_secret_in_another_header_is_refused(value):
    assert "carries a secret" in refusal(extra_headers={"x-team": value})[1]


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Content-Length",
        "content-type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "Accept",
        "Accept-Encoding",
        "Expect",
        "Upgrade",
        "X-Forwarded-Host",
        "Forwarded",
        "Helicone-Target-Url",
        "x-portkey-custom-host",
        "X-HTTP-Method-Override",
        "Idempotency-Key",
        "X-Request-Id",
    ],
)
def test_a_header_of_the_connection_or_of_one_call_is_refused(name):
    assert f"must not set {name}" in refusal(extra_headers={name: "x"})[1]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "one\r\nHost: evil"},
        {"x-a": "one\ntwo"},
        {"x-a": "\x00"},
        {"x-a": "caf\u00e9"},
        {"x-a": "x" * 1001},
        {"x a": "1"},
        {"x-a:": "1"},
        {"x-a\r\nHost": "1"},
        {"caf\u00e9": "1"},
        {"": "1"},
        {"x" * 101: "1"},
        {"x-a": "1", "X-A": "2"},
        {f"x-{number}": "1" for number in range(33)},
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(headers):
    field, description = refusal(extra_headers=headers)
    assert field == "params.extra_headers"
    assert "evil" not in description


@pytest.mark.parametrize("value", [7, None, ["x"]])
def test_the_value_of_a_header_is_text(value):
    assert refusal(extra_headers={"x-a": value})[0] == "params.extra_headers.x-a"


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP-Referer": "https://example.com", "X-Title": "Postings"},
        {"anthropic-beta": "x-2025-01-01"},
        {"x-max-tokens": "5", "x-author": "me", "authors-list": "us"},
        {"x-empty": ""},
        {"openai-beta": "a=b, c=d"},
    ],
)
def test_other_headers_are_sent(headers):
    assert params(extra_headers=headers).request_options.headers == headers
