"""An error in a response with status 200 has the meaning of the status that it names."""

import orjson
import pytest

from deploy.local.stand_in import Fault
from headrace.kinds import ItemFailedError, JobFailedError, Message, RetryableError
from services.worker.calls.provider import CompletionRequest

ASK = CompletionRequest("m", [Message("user", "Title: General Counsel")])
TEXT = {"message": {"content": "Sales"}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("body", "error_class", "reason"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, RetryableError, "RATE_LIMITED"),
        ({"error": {"code": "429"}}, RetryableError, "RATE_LIMITED"),
        ({"error": {"code": 429.0}}, RetryableError, "RATE_LIMITED"),
        ({"error": {"code": "rate_limit_exceeded"}}, RetryableError, "RATE_LIMITED"),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, RetryableError, "RATE_LIMITED"),
        ({"error": {"code": None, "status": 429}}, RetryableError, "RATE_LIMITED"),
        ([{"error": {"code": 429}}], RetryableError, "RATE_LIMITED"),
        ({"errors": [{"code": 429, "message": "x"}]}, RetryableError, "RATE_LIMITED"),
        ({"error": {"code": 502}}, RetryableError, "PROVIDER_ERROR"),
        ({"error": {"type": "overloaded_error"}}, RetryableError, "PROVIDER_ERROR"),
        ({"type": "error", "error": {"type": "api_error"}}, RetryableError, "PROVIDER_ERROR"),
        ({"object": "error", "code": 503, "message": "x"}, RetryableError, "PROVIDER_ERROR"),
        ({"code": 500, "message": "x"}, RetryableError, "PROVIDER_ERROR"),
        ({"error": {"code": 402}}, JobFailedError, "PROVIDER_QUOTA_EXHAUSTED"),
        ({"error": {"code": "insufficient_quota"}}, JobFailedError, "PROVIDER_QUOTA_EXHAUSTED"),
        ({"error": {"code": 429, "type": "insufficient_quota"}}, JobFailedError, "PROVIDER_QUOTA_EXHAUSTED"),
        ({"error": {"code": 401}}, JobFailedError, "PROVIDER_KEY_REFUSED"),
        ({"error": {"code": "invalid_api_key"}}, JobFailedError, "PROVIDER_KEY_REFUSED"),
        ({"error": {"type": "permission_error"}}, JobFailedError, "PROVIDER_KEY_REFUSED"),
        ({"error": {"code": "model_not_found"}}, JobFailedError, "MODEL_UNKNOWN"),
        ({"error": {"code": 400}}, ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        ({"error": {"code": "context_length_exceeded"}}, ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        ({"error": {"type": "exceed_context_size_error"}}, ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        # Next to an answer.
        ({"choices": [TEXT], "error": {"code": 429}}, RetryableError, "RATE_LIMITED"),
        ({"choices": [TEXT | {"error": {"code": 502}}]}, RetryableError, "PROVIDER_ERROR"),
        ({"choices": [TEXT | {"error": {"code": 429}}]}, RetryableError, "RATE_LIMITED"),
        ({"choices": [TEXT], "error": {"message": "x"}}, RetryableError, "BROKEN_ANSWER"),
        ({"choices": [TEXT], "error": "overloaded"}, RetryableError, "BROKEN_ANSWER"),
        # Without a status.
        ({"error": "model is loading"}, RetryableError, "BROKEN_ANSWER"),
        ({"error": {"code": 7}}, RetryableError, "BROKEN_ANSWER"),
        ({"object": "error", "message": "x"}, RetryableError, "BROKEN_ANSWER"),
    ],
)
async def test_an_error_in_a_response_is_treated_as_its_status(
    provider, stand_in, usage, body, error_class, reason
):
    stand_in.behaviour.fail_next = [Fault(body=orjson.dumps(body).decode())]
    with pytest.raises((RetryableError, ItemFailedError)) as raised:
        await provider.complete(ASK, usage)
    assert (type(raised.value), raised.value.reason) == (error_class, reason)
    assert usage.call_count == stand_in.counts.call_count == 1
    assert usage.cost_micros == 0


async def test_an_error_in_a_response_asks_for_a_wait_too(provider, stand_in, usage):
    stand_in.behaviour.fail_next = [Fault(body='{"error": {"code": 429}}', retry_after="7")]
    with pytest.raises(RetryableError) as raised:
        await provider.complete(ASK, usage)
    assert raised.value.retry_after == 7.0


async def test_tokens_next_to_an_error_are_counted(provider, stand_in, usage):
    body = {"error": {"code": 502}, "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    stand_in.behaviour.fail_next = [Fault(body=orjson.dumps(body).decode())]
    with pytest.raises(RetryableError):
        await provider.complete(ASK, usage)
    assert (usage.input_tokens, usage.output_tokens) == (9, 2)


@pytest.mark.parametrize("nothing", [None, {}, "", [], False, {"code": None, "message": None}])
async def test_an_empty_error_is_not_an_error(provider, stand_in, usage, nothing):
    body = {"choices": [TEXT], "error": nothing}
    stand_in.behaviour.fail_next = [Fault(body=orjson.dumps(body).decode())]
    assert (await provider.complete(ASK, usage)).text == "Sales"
