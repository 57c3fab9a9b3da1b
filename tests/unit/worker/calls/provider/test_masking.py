"""Secrets and the item's own text are masked in the words of a provider."""

import time

import pytest

from services.worker.calls.provider.masking import mask_prompt, mask_secrets


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
