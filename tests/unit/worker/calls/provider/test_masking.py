"""Secrets and the item's own text are masked in the words of a provider."""

import time

import pytest

from services.worker.calls.provider.masking import mask, mask_prompt, mask_secrets


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abc123DEF456",
        "sk-secret***key",
        "gsk_a1b2c3d4e5",
        "xai-abcdef123456",
        "hf_abcdefgh",
        "AIzaSyA1234567890abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef0123456789abcdef",
        "my-own-key",
        "MY-OWN-KEY",
        "my-own\n-key",
        "AKIAIOSFODNN7EXAMPLE",
        "ya29.a0AfH6SMBx",
        "github_pat_11AAAA",
        "glpat-abcdefgh",
        "xoxb-123-456",
        "pplx-abcdefgh",
    ],
)
def test_keys_and_tokens_are_masked(secret):
    text = f"Incorrect value '{secret}', see the account page"
    masked = mask_secrets(text, ["my-own-key"])
    assert masked == "Incorrect value '[secret]', see the account page"


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: hunter2.",
        "header Authorization: Bearer hunter2",
        "header Authorization: Basic hunter2==",
        '{"api_key": "hunter2"}',
        "password=hunter2",
        "access token: hunter2",
        r"header {\"api_key\": \"hunter2\"} is bad",
        "authorization: Token hunter2",
        "X-Api-Key: hunter2",
        "Api-Key hunter2",
        "?signature=hunter2&x=1",
        "cookie: hunter2",
    ],
)
def test_a_value_that_is_named_a_secret_is_masked(text):
    masked = mask_secrets(text, [])
    assert "hunter2" not in masked
    assert "[secret]" in masked


@pytest.mark.parametrize(
    "text",
    [
        "maximum context length is 8192 tokens: reduce the input",
        "The model gpt-4o-2024-08-06 does not exist",
        "Unexpected token < in JSON",
        "risk-free desk-top",
        "token count: 8192",
        "the token limit = 4096, got 5000",
        "the key is too short: see /docs",
    ],
)
def test_ordinary_words_are_kept(text):
    assert mask_secrets(text, ["", "abc"]) == text


@pytest.mark.parametrize(
    ("text", "prompt", "masked"),
    [
        ("bad input: General Counsel!", "Title: General Counsel", "bad input: [item text]!"),
        ("bad input: GENERAL COUNSEL!", "Title: general counsel, Berlin", "bad input: [item text]!"),
        ("quoted 'Ann Lee' here", "Name: Ann Lee", "quoted '[item text]' here"),
        ('he said "Ann" is', "Ann and Bob", 'he said "[item text]" is'),
        ("the model `gpt-x` is gone", "Name: Ann Lee", "the model `gpt-x` is gone"),
        ("quoted 'Mary' here", "Mary", "quoted '[item text]' here"),
        ("for mary.jones@example.org", "ask mary.jones@example.org", "for [item text]"),
        ("call +49 30 1234567 now", "phone +49 30 1234567", "call +[item text] now"),
        ("a short word", "another short list of things", "a short word"),
        ("context is 8192 tokens", "8192", "context is [item text] tokens"),
        ("nothing in common", "", "nothing in common"),
        ("", "anything at all", ""),
        ("first part of text, second part of it", "second part of it. first part of text", None),
        ("İstanbul'da yüksek mahkeme", "İstanbul'da yüksek mahkeme üyesi", "[item text]"),
    ],
)
def test_the_items_own_text_is_masked(text, prompt, masked):
    expected = masked if masked is not None else "[item text], [item text]"
    assert mask_prompt(text, [prompt]) == expected


@pytest.mark.parametrize("offset", range(12))
def test_a_common_text_is_found_wherever_it_begins(offset):
    prompt = "." * offset + "abcdefghijkl" + "!" * 40
    assert mask_prompt("-- abcdefghijkl --", [prompt]) == "-- [item text] --"


def test_every_message_of_the_chat_is_masked():
    masked = mask_prompt("neither SYSTEM WORDS nor users words", ["the system words", "these users words"])
    assert masked == "neither [item text] nor [item text]"


def test_a_huge_prompt_costs_little():
    begin = time.process_time()
    mask_prompt("a" * 2000, ["a" * 1_000_000, "ab" * 500_000])
    assert time.process_time() - begin < 5


KEY = "azure-0123456789-key"
PROMPT = "Title: General Counsel, Berlin"


@pytest.mark.parametrize(
    "echo",
    [
        "azure-0123456789-key",
        "AZURE-0123456789-KEY",
        "azure-0123456789\n-key",
        "azure%2D0123456789%2Dkey",
        "azure\\u002d0123456789-key",
        "azure&#45;0123456789-key",
        "YXp1cmUtMDEyMzQ1Njc4OS1rZXk=",
        "YXp1cmUtMDEyMzQ1Njc4OS1rZXk",
        "Basic dXNlcjphenVyZS0wMTIzNDU2Nzg5LWtleQ==",
        "azure-01...",
        "azure-01********",
    ],
)
def test_a_secret_is_masked_however_it_is_encoded(echo):
    masked = mask(f"bad value {echo} here", [KEY], [PROMPT])
    assert masked == "bad value [secret] here"


@pytest.mark.parametrize(
    "echo",
    [
        "Title: General Counsel, Berlin",
        "Title:   General\n\nCounsel,\tBerlin",
        "Title%3A%20General%20Counsel%2C%20Berlin",
        "Title&#58; General&nbsp;Counsel&#44; Berlin",
        r"Title: General\u0020Counsel, Berlin",
        r"Title:\nGeneral\nCounsel, Berlin",
        "VGl0bGU6IEdlbmVyYWwgQ291bnNlbCwgQmVybGlu",
    ],
)
def test_the_items_text_is_masked_however_it_is_encoded(echo):
    masked = mask(f"bad value <{echo}> here", [KEY], [PROMPT])
    assert not any(word in masked for word in ("Counsel", "Berlin", echo))


@pytest.mark.parametrize(
    "text",
    [
        "100% of the quota is used",
        "R&amp;D is not a label",
        r"a path such as C:\new",
        "id req_0123456789abcdefghij",
    ],
)
def test_encoded_words_of_the_provider_stay_as_they_are(text):
    assert mask(text, [KEY], [PROMPT]) == text
