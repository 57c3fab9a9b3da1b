"""One call to a server that speaks the OpenAI API, and the outcome of each response."""

import asyncio
import dataclasses
import socket

import pytest

from deploy.local.stand_in import Fault
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobFailedError, Message, RetryableError
from services.worker.calls.provider import CompletionRequest, OpenAiProvider

ASK = CompletionRequest(
    "m", [Message("system", "Choose.\n\nLabels:\nsales\nlegal"), Message("user", "Title: General Counsel")]
)
KEY_ECHO = "Incorrect API key provided: sk-secret***key"


async def test_a_completion_comes_with_its_tokens(provider, usage):
    completion = await provider.complete(ASK, usage)
    assert (completion.text, completion.finish_reason) == ("legal", "stop")
    assert usage.call_count == 1
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


async def test_usage_is_added_to_what_was_used_before(provider):
    usage = jobs_pb2.Usage(call_count=3, input_tokens=1000)
    await provider.complete(ASK, usage)
    assert usage.call_count == 4
    assert usage.input_tokens > 1000


@pytest.mark.parametrize(
    ("fault", "error_class", "reason"),
    [
        (Fault(429), RetryableError, "RATE_LIMITED"),
        (Fault(429, "rate_limit_exceeded"), RetryableError, "RATE_LIMITED"),
        (Fault(429, "insufficient_quota"), JobFailedError, "PROVIDER_QUOTA_EXHAUSTED"),
        (Fault(402), JobFailedError, "PROVIDER_QUOTA_EXHAUSTED"),
        (Fault(401, message=KEY_ECHO), JobFailedError, "PROVIDER_KEY_REFUSED"),
        (Fault(403, message=KEY_ECHO), JobFailedError, "PROVIDER_KEY_REFUSED"),
        (Fault(404, "model_not_found"), JobFailedError, "MODEL_UNKNOWN"),
        (Fault(400, "model_not_found"), JobFailedError, "MODEL_UNKNOWN"),
        (Fault(404, body='{"detail": "Not Found"}'), JobFailedError, "PROVIDER_URL_WRONG"),
        (Fault(404, body="<h1>no</h1>"), JobFailedError, "PROVIDER_URL_WRONG"),
        (Fault(400, "context_length_exceeded"), ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        (Fault(413), ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        (Fault(422), ItemFailedError, "PROVIDER_REFUSED_INPUT"),
        (Fault(408), RetryableError, "PROVIDER_ERROR"),
        (Fault(409), RetryableError, "PROVIDER_ERROR"),
        (Fault(500), RetryableError, "PROVIDER_ERROR"),
        (Fault(503, body="upstream gone"), RetryableError, "PROVIDER_ERROR"),
        (Fault(529), RetryableError, "PROVIDER_ERROR"),
        (Fault(disconnect=True), RetryableError, "PROVIDER_UNREACHABLE"),
        (Fault(body='{"choices": [{"mess'), RetryableError, "BROKEN_ANSWER"),
        (Fault(body=""), RetryableError, "BROKEN_ANSWER"),
        (Fault(body="[]"), RetryableError, "BROKEN_ANSWER"),
        (Fault(body='{"error": {"message": "x"}}'), RetryableError, "BROKEN_ANSWER"),
        (Fault(body='{"choices": []}'), RetryableError, "BROKEN_ANSWER"),
        (Fault(body='{"choices": [{"message": {"content": null}}]}'), RetryableError, "BROKEN_ANSWER"),
        (Fault(body='{"choices": [{"message": null}]}'), RetryableError, "BROKEN_ANSWER"),
        (
            Fault(body='{"choices": [{"message": {"content": null, "refusal": "no"}}]}'),
            ItemFailedError,
            "PROVIDER_REFUSED_INPUT",
        ),
    ],
)
async def test_each_failure_has_its_meaning(provider, stand_in, usage, fault, error_class, reason):
    stand_in.behaviour.fail_next = [fault]
    with pytest.raises((RetryableError, ItemFailedError)) as raised:
        await provider.complete(ASK, usage)
    assert type(raised.value) is error_class
    assert raised.value.reason == reason
    assert "sk-" not in raised.value.message
    assert usage.call_count == stand_in.counts.call_count == 1


@pytest.mark.parametrize(("status", "retry_after"), [(429, "7"), (429, "0.25"), (503, "7")])
async def test_the_wait_the_provider_asks_for_is_passed_on(provider, stand_in, usage, status, retry_after):
    stand_in.behaviour.fail_next = [Fault(status, retry_after=retry_after)]
    with pytest.raises(RetryableError) as raised:
        await provider.complete(ASK, usage)
    assert raised.value.retry_after == float(retry_after)


async def test_tokens_of_a_broken_response_are_counted(provider, stand_in, usage):
    stand_in.behaviour.fail_next = [
        Fault(body='{"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": -1}}')
    ]
    with pytest.raises(RetryableError):
        await provider.complete(ASK, usage)
    assert (usage.input_tokens, usage.output_tokens) == (9, 0)


async def test_a_call_without_a_response_ends_in_time(stand_in, usage):
    provider = OpenAiProvider(base_url=stand_in.base_url, timeout_seconds=0.05)
    stand_in.behaviour.fail_all = Fault(hang=True)
    with pytest.raises(RetryableError) as raised:
        await provider.complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_TIMEOUT"
    await provider.close()


async def test_a_cancelled_call_is_broken_off_at_the_provider(provider, stand_in, usage):
    stand_in.behaviour.fail_all = Fault(hang=True)
    call = asyncio.create_task(provider.complete(ASK, usage))
    async with asyncio.timeout(5):
        while not stand_in.counts.in_flight_count:
            await asyncio.sleep(0.001)
        call.cancel()
        while not stand_in.counts.broken_off_count:
            await asyncio.sleep(0.001)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_nobody_listening_is_tried_again(usage):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        provider = OpenAiProvider(base_url=f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        with pytest.raises(RetryableError) as raised:
            await provider.complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_UNREACHABLE"
    await provider.close()


async def test_no_provider_fails_the_job_without_a_call(monkeypatch, usage):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(JobFailedError) as raised:
        await OpenAiProvider().complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_NOT_CONFIGURED"
    assert usage.call_count == 0


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://[::1", "http://h:port/v1"]
)
async def test_a_base_url_that_is_none_fails_the_job_without_a_call(url, usage):
    with pytest.raises(JobFailedError) as raised:
        await OpenAiProvider(base_url=url).complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_NOT_CONFIGURED"
    assert usage.call_count == 0


async def test_the_provider_of_the_environment_is_called(stand_in, monkeypatch, usage):
    monkeypatch.setenv("OPENAI_BASE_URL", stand_in.base_url)
    provider = OpenAiProvider()
    assert (await provider.complete(ASK, usage)).text == "legal"
    assert provider.name == stand_in.url.removeprefix("http://")
    await provider.close()


async def test_text_that_is_not_unicode_fails_the_item_without_a_call(provider, usage):
    with pytest.raises(ItemFailedError) as raised:
        await provider.complete(CompletionRequest("m", [Message("user", "\ud800")]), usage)
    assert raised.value.reason == "PROVIDER_REFUSED_INPUT"
    assert usage.call_count == 0


async def test_a_request_has_a_time_of_its_own(provider, stand_in, usage):
    stand_in.behaviour.fail_all = Fault(hang=True)
    with pytest.raises(RetryableError) as raised:
        await provider.complete(dataclasses.replace(ASK, timeout_seconds=0.05), usage)
    assert raised.value.reason == "PROVIDER_TIMEOUT"


async def test_a_request_may_take_longer_than_the_usual_call(stand_in, usage):
    provider = OpenAiProvider(base_url=stand_in.base_url, timeout_seconds=0.05)
    stand_in.behaviour.latency_ms = 200
    assert (await provider.complete(dataclasses.replace(ASK, timeout_seconds=30.0), usage)).text == "legal"
    await provider.close()


@pytest.mark.parametrize(
    ("headers", "remaining"),
    [
        ({}, None),
        ({"x-ratelimit-remaining-requests": "5"}, 5),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-remaining-tokens": "0"}, 0),
        ({"x-ratelimit-remaining-requests": "-1"}, 0),
    ],
)
async def test_the_calls_that_the_provider_would_take_are_read(provider, stand_in, usage, headers, remaining):
    stand_in.behaviour.headers = headers
    await provider.complete(ASK, usage)
    assert provider.take_remaining("m") == remaining
    assert provider.take_remaining("m") is None


async def test_tokens_that_are_left_are_reckoned_in_calls_like_this_one(provider, stand_in, usage):
    stand_in.behaviour.headers = {"x-ratelimit-remaining-tokens": "1000000"}
    await provider.complete(ASK, usage)
    assert provider.take_remaining("m") == 1_000_000 // (usage.input_tokens + usage.output_tokens)


@pytest.mark.parametrize("path", ["", "/", "/v2", "/v1/models", "/v1/chat"])
async def test_a_base_url_with_another_path_fails_the_job(stand_in, usage, path):
    provider = OpenAiProvider(base_url=stand_in.url + path)
    with pytest.raises(JobFailedError) as raised:
        await provider.complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_URL_WRONG"
    await provider.close()
