"""The error of a failed call, with the provider's own words in its detail."""

import json

import pytest
import structlog

from headrace.kinds import ItemFailedError, JobRefusedError, Message, RetryableError
from services.worker.calls.provider.fault_log import FaultLog
from services.worker.calls.provider.faults import (
    PASSING_REASONS,
    Faults,
    ProviderDownError,
    connection_fault,
    timeout_fault,
)
from services.worker.calls.provider.profiles import read_profiles

CHAT = [Message("system", "Choose a label."), Message("user", "Title: General Counsel, Berlin")]


@pytest.fixture
def faults():
    return Faults(read_profiles().by_name["default"], FaultLog("p"), ["my-own-key"])


def body_of(message, type="t", code="c"):
    return json.dumps({"error": {"message": message, "type": type, "code": code, "param": "n"}}).encode()


@pytest.mark.parametrize(
    ("status", "error_class", "reason"),
    [
        (429, RetryableError, "RATE_LIMITED"),
        (529, RetryableError, "RATE_LIMITED"),
        (500, RetryableError, "PROVIDER_ERROR"),
        (424, RetryableError, "PROVIDER_ERROR"),
        (498, RetryableError, "PROVIDER_ERROR"),
        (502, ProviderDownError, "PROVIDER_ERROR"),
        (503, ProviderDownError, "PROVIDER_ERROR"),
        (504, ProviderDownError, "PROVIDER_ERROR"),
        (400, ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        (501, ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        (401, JobRefusedError, "PROVIDER_KEY_REFUSED"),
        (402, JobRefusedError, "PROVIDER_QUOTA_EXHAUSTED"),
        (404, JobRefusedError, "MODEL_UNKNOWN"),
    ],
)
def test_each_action_has_its_error(faults, status, error_class, reason):
    error = faults.of_response(status, {}, body_of("words"))
    assert type(error) is error_class
    assert error.reason == reason
    assert error.detail == "type t, code c: words"


@pytest.mark.parametrize("status", [429, 529, 500, 424, 503])
def test_the_wait_the_provider_asks_for_is_kept(faults, status):
    assert faults.of_response(status, {"retry-after": "7"}, b"").retry_after == 7.0


@pytest.mark.parametrize("status", [200, 404, 405])
def test_a_wrong_url_keeps_its_own_words_and_those_of_the_provider(faults, status):
    wrong_url = JobRefusedError("PROVIDER_URL_WRONG", "add /v1")
    error = faults.of_response(status, {}, body_of("my-own-key"), wrong_url=wrong_url)
    assert error is wrong_url
    assert error.detail == "type t, code c: [secret]"


def test_the_profile_decides_whether_a_404_is_about_the_url(tmp_path):
    file = tmp_path / "profiles.yaml"
    file.write_text("profiles: {own: {hosts: h, rules: [{status: 404, then: retry}]}}")
    faults = Faults(read_profiles(file).of("h"), FaultLog("p"))
    error = faults.of_response(404, {}, b"", wrong_url=JobRefusedError("PROVIDER_URL_WRONG", "add /v1"))
    assert error.reason == "PROVIDER_ERROR"


def test_an_error_that_names_no_status_is_a_broken_answer(faults):
    error = faults.of_response(200, {}, {"error": "model is loading"})
    assert (error.reason, error.detail) == ("BROKEN_ANSWER", "model is loading")


@pytest.mark.parametrize("word", ["overloaded_error", "rate_limit_exceeded"])
def test_a_503_with_a_word_of_overload_is_not_an_outage(faults, word):
    for body in (body_of("x", type=word), body_of("x", code=word), body_of("all slots are busy")):
        assert faults.of_response(503, {}, body).reason == "RATE_LIMITED"


def test_a_connection_fault_is_a_sign_of_an_outage_and_a_timeout_is_not():
    assert isinstance(connection_fault(), ProviderDownError)
    assert not isinstance(timeout_fault(), ProviderDownError)


def test_the_detail_holds_neither_keys_nor_the_items_text(faults):
    words = "my-own-key may not use sk-abcdef on 'General Counsel'"
    error = faults.of_response(401, {}, body_of(words, "my-own-key", "sk-abcdef"), CHAT)
    assert error.detail == "type [secret], code [secret]: [secret] may not use [secret] on '[item text]'"


def test_a_secret_at_the_cut_is_masked_before_it_is_cut(faults):
    detail = faults.of_response(500, {}, body_of("x" * 480 + " sk-abcdefghijklmnopqrstuvw")).detail
    assert len(detail) <= 500
    assert "sk-" not in detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", None),
        (b"{}", None),
        (b"<title>Bad  Gateway</title>", "Bad Gateway"),
        (b'{"error": {"type": "t"}}', "type t"),
        (b'{"error": {"code": 7, "message": "two\\nlines"}}', "code 7: two lines"),
        (b'{"error": "words"}', "words"),
    ],
)
def test_the_detail_has_as_much_as_the_provider_says(faults, body, detail):
    assert faults.of_response(500, {}, body).detail == detail


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (body_of("secret words"), "HTTP 400, code c, param n"),
        (b'{"error": {"code": 400}}', "HTTP 400"),
        (b'{"error": {"code": "not a code"}}', "HTTP 400"),
        (b"secret words", "HTTP 400"),
    ],
)
def test_the_message_holds_codes_but_no_words(faults, body, message):
    error = faults.of_response(400, {}, body)
    assert error.message == f"the provider refused the request ({message})"


def test_a_fault_is_logged_with_the_providers_words_but_without_the_items(faults):
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            faults.of_response(500, {}, body_of("General Counsel my-own-key"), CHAT)
        assert faults.noted(timeout_fault()).reason == "PROVIDER_TIMEOUT"
    assert [(line["reason"], line["status"], line["detail"]) for line in lines] == [
        ("PROVIDER_ERROR", 500, "type t, code c: [item text] [secret]"),
        ("PROVIDER_TIMEOUT", None, "the provider did not respond in time"),
    ]


def test_a_refused_call_says_nothing_about_the_items_cached_responses():
    refused = {"PROVIDER_KEY_REFUSED", "PROVIDER_QUOTA_EXHAUSTED", "MODEL_UNKNOWN", "PROVIDER_URL_WRONG"}
    assert refused <= PASSING_REASONS


def test_an_answer_without_a_completion_is_logged_once_a_minute_and_cause_without_its_text(faults):
    body = b'{"choices": [{"message": {"content": "General Counsel answers", "x": 1}}]}'
    with structlog.testing.capture_logs() as lines:
        for reason in ("stop", "stop", "eos"):
            error = ItemFailedError("PROVIDER_REFUSED_INPUT", f"no text (finish_reason {reason})")
            assert faults.of_answer(error, 200, json.loads(body), body, CHAT) is error
    assert [(line["reason"], line["status"], line["detail"]) for line in lines] == [
        ("PROVIDER_REFUSED_INPUT", 200, "content (23 characters), x (int)")
    ] * 2


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body has 0 bytes and no text"),
        (b"<title>Sign  in</title>", "Sign in"),
        (b"sk-abcdef for General Counsel, Berlin", "[secret] for [item text]"),
        (
            b'{"choices": [{"message": {"content": "a \\" b", "role": "x',
            '{"choices": [{"message": {"content": "...", "role": "x',
        ),
        (b'data: {"choices": [{"text": "cut', 'data: {"choices": [{"text": "...'),
        (b'{"response": "cut", "generated_text": "off"}', '{"response": "...", "generated_text": "..."}'),
        (b"y" * 900, "y" * 500),
    ],
)
def test_a_body_that_is_not_a_completion_is_quoted_without_text_of_the_model(faults, body, detail):
    error = RetryableError("BROKEN_ANSWER", "broken")
    assert faults.of_answer(error, 200, None, body, CHAT).detail == detail
