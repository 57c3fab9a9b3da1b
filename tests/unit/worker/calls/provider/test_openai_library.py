"""The openai library is the reference: it sends the same requests and sees the same faults."""

import asyncio
import dataclasses
import json
import socket
import ssl

import openai
import pytest
from aiohttp import web

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import (
    ItemFailedError,
    Message,
    RequestOptions,
    RetryableError,
    builtin_kinds,
    validate_params,
)
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.calls.provider.profiles import read_profiles
from tests.unit.worker.calls.provider.broken_servers import closing_at_once, response, sending, serving

ANSWER = {"choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}]}
MATTERING = (
    "authorization",
    "content-type",
    "accept",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "api-key",
    "x-team",
)
TIMEOUT_SECONDS = 0.4
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without certificates, which would be read for every case


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS", "ADMIN_KEY"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


@pytest.fixture
async def recorder():
    """A server that records requests. Yields its URL and the list of requests."""
    requests = []

    async def record(request):
        headers = {name: request.headers.get(name) for name in MATTERING}
        requests.append((request.method, request.raw_path, headers, json.loads(await request.read())))
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", requests
    await runner.cleanup()


async def ask_library(base_url, key, request, timeout_seconds=5.0, options=None):
    fields = {
        "temperature": request.temperature,
        "max_completion_tokens": request.max_output_tokens,
        **(options or {}),
    }
    http_client = openai.DefaultAsyncHttpxClient(verify=NO_TLS, timeout=timeout_seconds)
    async with openai.AsyncOpenAI(
        api_key=key, base_url=base_url, max_retries=0, timeout=timeout_seconds, http_client=http_client
    ) as client:
        return await client.chat.completions.create(
            model=request.model,
            messages=[{"role": message.role, "content": message.content} for message in request.messages],
            **{name: value for name, value in fields.items() if value is not None},
        )


async def ask_ours(base_url, key, request, timeout_seconds=5.0):
    provider = OpenAiProvider(base_url=base_url, api_key=key, timeout_seconds=timeout_seconds)
    try:
        return await provider.complete(request, jobs_pb2.Usage())
    finally:
        await provider.close()


ASK = CompletionRequest("m", (Message("system", "Choose."), Message("user", "x")))


@pytest.mark.parametrize(
    ("request_", "key", "path", "environment"),
    [
        (ASK, "sk-1", "/v1", {}),
        (ASK, "sk-1", "/v1/", {}),
        (ASK, "sk-1", "/a/b%20c/v1", {}),
        (ASK, "sk-1", "/caf\u00e9/v1", {}),
        (CompletionRequest("m", ASK.messages, 0.0, 7), "sk-1", "/v1", {}),
        (CompletionRequest("m", ASK.messages, 0.3), "sk-1", "/v1", {}),
        (CompletionRequest('m"/\u00e9', (Message("user", 'line\n"\u00e9\U0001f600\0'),)), "sk-1", "/v1", {}),
        (CompletionRequest("m", (Message("user", ""), Message("assistant", "y"))), "sk-1", "/v1", {}),
        (ASK, "sk-1", "/v1", {"ORG_ID": "org-1", "PROJECT_ID": "proj-1"}),
        (ASK, "sk-1", "/v1", {"CUSTOM_HEADERS": "api-key: k1"}),
        (ASK, "sk-1", "/v1", {"CUSTOM_HEADERS": "Authorization: Bearer k2\nOpenAI-Project: p"}),
    ],
)
async def test_both_send_the_same_request(recorder, monkeypatch, request_, key, path, environment):
    url, requests = recorder
    for name, value in environment.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    await ask_library(url + path, key, request_)
    await ask_ours(url + path, key, request_)
    library, ours = requests
    assert ours == library


CLASSIFY = {"labels": ["Sales", "IT"], "template": "{x}"}
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["Sales", "IT"]}},
    "required": ["label"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 7},
        {"top_p": 0.3, "frequency_penalty": 0.5, "presence_penalty": -0.5},
        {"stop": "END"},
        {"stop": ["END", "\n\u00e9"]},
        {"reasoning_effort": "low", "service_tier": "flex"},
        {"response_format": {"type": "json_object"}},
        {"extra_body": {"top_k": 3, "nested": {"a": [None, True, 1.5, "\u00e9"]}}},
        {"extra_headers": {"x-team": "search", "OpenAI-Beta": "a=b"}},
        {"seed": 1, "extra_body": {"min_p": 0.1}, "extra_headers": {"x-team": ""}},
    ],
)
async def test_both_send_the_same_options(recorder, options):
    url, requests = recorder
    text = json.dumps({"prompt": "{x}", **options})
    params = validate_params(builtin_kinds()["llm.complete"], text)
    await ask_library(url + "/v1", "sk-1", ASK, options=options)
    await ask_ours(url + "/v1", "sk-1", dataclasses.replace(ASK, options=params.request_options))
    library, ours = requests
    assert ours == library
    assert set(options.get("extra_body", {})) <= set(ours[3])


async def test_both_send_the_same_structured_output(recorder):
    url, requests = recorder
    text = json.dumps({**CLASSIFY, "structured_output": True})
    params = validate_params(builtin_kinds()["llm.classify"], text)
    schema = {"name": "answer", "strict": True, "schema": SCHEMA}
    response_format = {"type": "json_schema", "json_schema": schema}
    await ask_library(url + "/v1", "sk-1", ASK, options={"response_format": response_format})
    await ask_ours(url + "/v1", "sk-1", dataclasses.replace(ASK, options=params.request_options))
    library, ours = requests
    assert ours == library


async def test_a_header_of_a_job_replaces_none_of_the_worker(recorder, monkeypatch):
    url, requests = recorder
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: ours")
    options = RequestOptions(headers={"x-team": "theirs", "user-agent": "theirs", "OpenAI-Beta": "b"})
    await ask_ours(url + "/v1", "sk-1", dataclasses.replace(ASK, options=options))
    ((_, _, headers, _),) = requests
    assert (headers["x-team"], headers["openai-beta"]) == ("ours", "b")


async def test_the_headers_of_a_model_replace_those_of_the_profile_and_of_the_job(recorder, tmp_path):
    url, requests = recorder
    file = tmp_path / "profiles.yaml"
    file.write_text(
        "profiles: {p: {hosts: ['127.0.0.1'], headers: {x-team: all, api-key: k}, "
        "models: {m: {headers: {X-Team: model}}}}}"
    )
    provider = OpenAiProvider(base_url=url + "/v1", api_key="sk-1", profiles=read_profiles(file))
    options = RequestOptions(headers={"x-team": "job", "openai-beta": "b"})
    for request in (ASK, dataclasses.replace(ASK, options=options), dataclasses.replace(ASK, model="other")):
        await provider.complete(request, jobs_pb2.Usage())
    await provider.close()
    sent = [(headers["x-team"], headers["openai-beta"], headers["api-key"]) for _, _, headers, _ in requests]
    assert sent == [("model", None, "k"), ("model", "b", "k"), ("all", None, "k")]


async def test_both_send_the_credentials_of_a_url(recorder):
    url, requests = recorder
    url = url.replace("http://", "http://user:wo%40rd@") + "/v1"
    await ask_library(url, "sk-1", ASK)
    await ask_ours(url, "sk-1", ASK)
    assert requests[1] == requests[0]
    assert requests[1][2]["authorization"].startswith("Basic ")


BODY = json.dumps(ANSWER)


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (closing_at_once, "connection"),
        (sending(), "connection"),
        (sending(reset=True), "connection"),
        (sending("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}"), "connection"),
        (sending("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", reset=True), "connection"),
        (sending("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"), "connection"),
        (sending("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "connection"),
        (sending("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", pause=2.0), "timeout"),
        (sending("", pause=2.0), "timeout"),
        (sending(response("{}", "301 Moved", "location: ftp://h/")), "connection"),
        (sending(response("{}", "307 Moved", "location: /v1/chat/completions")), "connection"),
        (sending(response("", "304 Not Modified")), "PROVIDER_ERROR"),
        (sending(response('{"error": {"code": "x"}}', "429 Slow", "retry-after: 3")), "RATE_LIMITED"),
        (sending(response("", "503 Down")), "PROVIDER_ERROR"),
        (sending(response('{"error": {}}', "401 No")), "PROVIDER_KEY_REFUSED"),
        (sending(response('{"error": {"type": "x", "message": "model x"}}', "404 No")), "MODEL_UNKNOWN"),
        (sending(response('{"error": {}}', "400 No")), "PROVIDER_REFUSED_INPUT"),
    ],
)
async def test_both_see_the_same_fault_of_a_broken_server(script, fault):
    async with serving(script) as port:
        base_url = f"http://127.0.0.1:{port}/v1"
        with pytest.raises(openai.APIError) as library:
            await asyncio.wait_for(ask_library(base_url, "k", ASK, TIMEOUT_SECONDS), 5)
        with pytest.raises((RetryableError, ItemFailedError)) as ours:
            await ask_ours(base_url, "k", ASK, TIMEOUT_SECONDS)
    expected = {"connection": "PROVIDER_UNREACHABLE", "timeout": "PROVIDER_TIMEOUT"}.get(fault, fault)
    assert ours.value.reason == expected
    error = library.value
    if fault in ("connection", "timeout"):
        assert isinstance(error, openai.APIConnectionError)
        assert isinstance(error, openai.APITimeoutError) == (fault == "timeout")
    else:
        assert isinstance(error, openai.APIStatusError)


async def test_both_see_that_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(openai.APIConnectionError):
            await ask_library(base_url, "k", ASK)
        with pytest.raises(RetryableError) as ours:
            await ask_ours(base_url, "k", ASK)
    assert ours.value.reason == "PROVIDER_UNREACHABLE"


async def test_both_follow_a_redirect_that_keeps_the_method(recorder):
    url, requests = recorder
    for ask in (ask_library, ask_ours):
        moved = sending(response("", "308 Moved", f"location: {url}/v2/chat/completions"))
        async with serving(moved) as port:
            await ask(f"http://127.0.0.1:{port}/v1", "sk-1", ASK)
    library, ours = requests
    assert ours == library
    assert ours[0] == "POST"
    assert ours[2]["authorization"] is None  # another origin
