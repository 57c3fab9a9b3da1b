"""Keys and URLs are corrected, or named before any call."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import JobFailedError, Message
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.calls.provider.endpoint import read_endpoint, secrets_of

ASK = CompletionRequest("m", [Message("user", "x")])
URL = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.openai.com/v1/chat/completions"),
        ("http://h:8000/v1", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1//", "http://h:8000/v1/chat/completions"),
        (" http://h/v1\r\n", "http://h/v1/chat/completions"),
        ("http://h", "http://h/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions/", "http://h/v1/chat/completions"),
        ("http://h/v1#top", "http://h/v1/chat/completions"),
        ("HTTP://h/v1", "http://h/v1/chat/completions"),
        ("http://user:word@h:8000/v1", "http://h:8000/v1/chat/completions"),
        (
            "https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("http://h/v1/?a=1&b=%20c", "http://h/v1/chat/completions?a=1&b=%20c"),
    ],
)
def test_the_url_is_complete(base_url, url):
    assert read_endpoint("k", base_url).url == url


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("sk-1", "Bearer sk-1"),
        ("sk-1\n", "Bearer sk-1"),
        ("  sk-1\r\n", "Bearer sk-1"),
        ("\tsk-1 ", "Bearer sk-1"),
        ("\u00a0sk-1\u2028", "Bearer sk-1"),
        (None, "Bearer no-key"),
        ("  ", "Bearer no-key"),
    ],
)
def test_white_space_around_a_key_is_ignored(key, header):
    assert read_endpoint(key, URL).headers["Authorization"] == header


@pytest.mark.parametrize(
    ("key", "base_url", "environment", "named"),
    [
        ("sk-secret\nsk-2", URL, {}, "OPENAI_API_KEY contains"),
        ("sk-secret two", URL, {}, "OPENAI_API_KEY contains"),
        ("Bearer sk-secret", URL, {}, "OPENAI_API_KEY contains"),
        ("sk-secret\x00", URL, {}, "OPENAI_API_KEY contains"),
        ("sk-secret\u200b", URL, {}, "OPENAI_API_KEY contains"),
        ("sk-secret\u2026", URL, {}, "OPENAI_API_KEY contains"),
        ('"sk-secret"', URL, {}, "OPENAI_API_KEY is in quotes"),
        ("sk-secret", "h:8000/v1", {}, "must begin with http:// or https://"),
        ("sk-secret", "api.openai.com/v1", {}, "must begin with http:// or https://"),
        ("sk-secret", '"https://h/v1"', {}, "OPENAI_BASE_URL is not"),
        ("sk-secret", "https:/h/v1", {}, "OPENAI_BASE_URL is not"),
        ("sk-secret", "https://h:99999/v1", {}, "OPENAI_BASE_URL is not"),
        ("sk-secret", "https://h /v1", {}, "OPENAI_BASE_URL contains"),
        ("sk-secret", "https://h\n/v1", {}, "OPENAI_BASE_URL contains"),
        ("sk-secret", "https://", {}, "OPENAI_BASE_URL is not"),
        ("sk-secret", "https://a..b/v1", {}, "OPENAI_BASE_URL is not"),
        ("sk-secret", f"https://{'a' * 64}.com/v1", {}, "OPENAI_BASE_URL is not"),
        ("sk-secret", "https://[::1/v1", {}, "OPENAI_BASE_URL is not"),
        ("\n", None, {}, "set OPENAI_API_KEY or OPENAI_BASE_URL"),
        ("sk-secret", URL, {"ORG_ID": "org\n1"}, "OPENAI_ORG_ID"),
        ("sk-secret", URL, {"PROJECT_ID": "a b"}, "OPENAI_PROJECT_ID"),
        ("sk-secret", URL, {"CUSTOM_HEADERS": "a b: c"}, "OPENAI_CUSTOM_HEADERS"),
        ("sk-secret", URL, {"CUSTOM_HEADERS": "a: \u20ac"}, "OPENAI_CUSTOM_HEADERS"),
        ("sk-secret", URL, {"CUSTOM_HEADERS": "api-key secret"}, "write NAME: VALUE"),
        ("sk-secret", URL, {"CUSTOM_HEADERS": ": secret"}, "OPENAI_CUSTOM_HEADERS"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named_before_any_call(
    monkeypatch, key, base_url, environment, named
):
    for name, value in environment.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    usage = jobs_pb2.Usage()
    with pytest.raises(JobFailedError) as raised:
        await OpenAiProvider(api_key=key, base_url=base_url).complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_NOT_CONFIGURED"
    assert named in raised.value.message
    assert "secret" not in raised.value.message
    assert usage.call_count == 0


def test_custom_headers_replace_others(monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "api-key: k1\nauthorization: Bearer k2\n\n")
    headers = read_endpoint("k", URL).headers
    assert {name.lower(): value for name, value in headers.items()} == {
        "accept": "application/json",
        "api-key": "k1",
        "authorization": "Bearer k2",
        "content-type": "application/json",
        "user-agent": headers["User-Agent"],
    }


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        (None, "api.openai.com"),
        (" http://h:8000/v1\n", "h:8000"),
        ("http://user:word@h/v1", "h"),
        ("h:8000/v1", "nowhere"),
    ],
)
def test_the_provider_is_named_by_its_host(base_url, name):
    assert OpenAiProvider(api_key="k", base_url=base_url).name == name


def test_the_key_and_the_secrets_of_a_url_and_of_headers_are_secrets():
    assert secrets_of(" k\n", "https://user:pass%20word@h/v1", {}) == ["k", "user", "pass word"]
    assert secrets_of(None, "https://h/v1?api-version=1&key=a%2Fb&sig=c", {}) == ["a/b", "c"]
    headers = {"api-key": "one", "Authorization": "Bearer two", "x-team": "search"}
    assert secrets_of("k", None, headers) == ["k", "one", "Bearer two", "two"]
    assert secrets_of(None, None, {}) == secrets_of("", "nowhere", {}) == []


async def test_a_secret_of_a_custom_header_is_masked_in_the_providers_words(monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "api-key: my own words")
    provider = OpenAiProvider(api_key="k", base_url=URL)
    error = provider._faults.of_response(401, {}, {"error": "no access for my own words"})
    assert error.detail == "no access for [secret]"
