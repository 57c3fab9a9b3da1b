"""One call to a server that speaks the OpenAI API, and the outcome of each response."""

import asyncio
import dataclasses
import socket

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobFailedError, JobRefusedError, Message, RetryableError
from services.stand_in import Fault
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.calls.provider.answers import received_body
from services.worker.calls.provider.profiles import read_profiles

ASK = CompletionRequest(
    "m", [Message("system", "Choose.\n\nLabels:\nsales\nlegal"), Message("user", "Title: General Counsel")]
)


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


async def test_the_providers_own_words_are_on_the_error_without_the_key(stand_in, usage):
    provider = OpenAiProvider(base_url=stand_in.base_url, api_key="my-own-key")
    stand_in.behaviour.fail_next = [Fault(401, "invalid_api_key", "bad key my-own-key (General Counsel)")]
    with pytest.raises(JobRefusedError) as raised:
        await provider.complete(ASK, usage)
    words = "type invalid_api_key, code invalid_api_key: bad key [secret]"
    assert raised.value.detail == f"{words} ([item text])"
    await provider.close()


async def test_the_profile_of_the_host_forms_the_request(stand_in, usage, tmp_path):
    file = tmp_path / "profiles.yaml"
    file.write_text(
        "profiles: {own: {hosts: '127.0.0.1', headers: {x-team: search}, "
        "request: {max_tokens_field: max_tokens, system_role: none, extra_body: {seed: 7}}}}"
    )
    provider = OpenAiProvider(base_url=stand_in.base_url, profiles=read_profiles(file))
    await provider.complete(dataclasses.replace(ASK, max_output_tokens=5), usage)
    assert provider._connection.session.headers["X-Team"] == "search"
    (prompt,) = stand_in.counts.prompts
    assert prompt == "Choose.\n\nLabels:\nsales\nlegal\n\nTitle: General Counsel"
    await provider.close()


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
    with pytest.raises(JobRefusedError) as raised:
        await provider.complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_URL_WRONG"
    await provider.close()


async def test_an_error_status_counts_although_its_body_does_not_end(provider, stand_in, usage):
    head = "HTTP/1.1 503 Gone\r\nretry-after: 7\r\ncontent-length: 90\r\n\r\n{"
    stand_in.behaviour.fail_next = [Fault(raw=[head], hang=True)]
    with pytest.raises(RetryableError) as raised:
        await provider.complete(dataclasses.replace(ASK, timeout_seconds=1), usage)
    assert (raised.value.reason, raised.value.retry_after) == ("PROVIDER_ERROR", 7)


async def test_a_whole_answer_counts_although_its_body_does_not_end(provider, stand_in, usage):
    answer = '{"choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}]}'
    stand_in.behaviour.fail_next = [Fault(raw=[f"HTTP/1.1 200 OK\r\n\r\n{answer}"], hang=True)]
    completion = await provider.complete(dataclasses.replace(ASK, timeout_seconds=1), usage)
    assert completion.text == "Sales"


@pytest.mark.parametrize(("limit", "text"), [(400, "Sales"), (100, None)])
async def test_a_body_without_an_end_is_not_read_into_memory(
    provider, stand_in, usage, monkeypatch, limit, text
):
    monkeypatch.setattr(received_body, "_MAX_BYTES", limit)
    body = '{"choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}]}' + " " * 200
    stand_in.behaviour.fail_next = [Fault(body=body)]
    if text is not None:
        assert (await provider.complete(ASK, usage)).text == text
        return
    with pytest.raises(RetryableError) as raised:
        await provider.complete(ASK, usage)
    assert raised.value.reason == "BROKEN_ANSWER"
