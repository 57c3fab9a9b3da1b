"""Structured output: sent where the profile says so, and without it where the provider refuses it."""

import json

import pytest
from aiohttp import web

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobRefusedError, Message, RequestOptions, RetryableError
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.calls.provider.profiles import read_profiles

ANSWER = {
    "choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}
SCHEMA = {"type": "object", "properties": {"label": {"enum": ["Sales"]}}}
NOT_SUPPORTED = (
    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. "
    "Learn more about supported models at the Structured Outputs guide."
)


def ask(structured_output=None, model="m", schema=SCHEMA, **fields):
    options = RequestOptions(answer_schema=schema, structured_output=structured_output, fields=fields)
    return CompletionRequest(model, (Message("user", "x"),), options=options)


@pytest.fixture
async def server(tmp_path):
    """A provider whose profile has structured output, on a server that answers by ``server.refusal``."""

    class Server:
        refusal = None  # status and body of an answer to a request with a response_format
        usage = jobs_pb2.Usage()

        def __init__(self):
            self.bodies = []

        async def answer(self, request):
            body = await request.json()
            self.bodies.append(body)
            if self.refusal and "response_format" in body:
                status, error = self.refusal
                return web.json_response(error, status=status)
            return web.json_response(ANSWER)

        def refuse(self, status, message, **others):
            self.refusal = (status, {"error": {"message": message}, **others})

        @property
        def formats(self):
            return ["response_format" in body for body in self.bodies]

        async def ask(self, *args, **fields):
            self.usage = jobs_pb2.Usage()
            return await self.provider.complete(ask(*args, **fields), self.usage)

    made = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    file = tmp_path / "profiles.yaml"
    shape = {"request": {"structured_output": True}, "models": {"old*": {"structured_output": False}}}
    file.write_text(json.dumps({"profiles": {"mine": {"hosts": [f"127.0.0.1:{port}"], **shape}}}))
    made.provider = OpenAiProvider(
        api_key="k", base_url=f"http://127.0.0.1:{port}/v1", profiles=read_profiles(file)
    )
    yield made
    await made.provider.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("model", "wanted", "is_sent"),
    [
        ("m", None, True),
        ("m", True, True),
        ("m", False, False),
        ("old-1", None, False),
        ("old-1", True, True),
    ],
)
async def test_the_schema_is_sent_by_the_profile_unless_the_job_decides(server, model, wanted, is_sent):
    await server.ask(wanted, model)
    (body,) = server.bodies
    assert body.get("response_format") == (
        {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
        if is_sent
        else None
    )


REFUSALS = [
    (400, NOT_SUPPORTED),
    (400, "JSON mode is not enabled for models/gemma-3-27b-it"),
    (400, "The specified schema produces a constraint that has too many states for serving."),
    (400, 'Either "json_schema" or "grammar" can be specified, but not both'),
    (
        400,
        "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later",
    ),
    (422, "body.response_format.type: Input should be 'json_object'"),
    (400, "You can only use one kind of structured outputs constraint"),
    (500, "failed to parse grammar"),
    (501, "structured output is not implemented"),
]


@pytest.mark.parametrize(("status", "message"), REFUSALS)
async def test_a_provider_that_refuses_the_schema_is_asked_without_it_from_then_on(server, status, message):
    server.refuse(status, message)
    assert (await server.ask()).text == "Sales"
    assert (server.usage.call_count, server.usage.input_tokens) == (2, 9)
    await server.ask()
    assert server.usage.call_count == 1
    assert server.formats == [True, False, False]
    await server.ask(model="other")
    await server.ask(schema={"type": "string"})
    assert server.formats[3:] == [True, False, True, False]


@pytest.mark.parametrize(("status", "message"), REFUSALS)
async def test_a_job_that_asks_for_the_schema_fails_its_items_with_the_remedy(server, status, message):
    server.refuse(status, message)
    for _ in range(2):
        with pytest.raises(ItemFailedError) as failed:
            await server.ask(True)
        assert failed.value.reason == "PROVIDER_REFUSED_INPUT"
        assert "submit with structured_output false" in failed.value.message
        assert message[:20] in failed.value.detail
        assert server.usage.call_count == 1
    assert server.formats == [True, True]


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "This model's maximum context length is 4096 tokens", ItemFailedError),
        (400, "The response was filtered due to the prompt triggering content management", ItemFailedError),
        (401, "Incorrect API key; see response_format", JobRefusedError),
        (429, "Rate limit reached for json_schema", RetryableError),
        (503, "the json_schema service is down", RetryableError),
        (500, "internal error", RetryableError),
    ],
)
async def test_another_fault_is_not_repeated(server, status, message, error):
    server.refuse(status, message)
    with pytest.raises(error):
        await server.ask()
    assert server.formats == [True]


async def test_a_refusal_that_counts_tokens_is_never_paid_twice(server):
    server.refuse(400, NOT_SUPPORTED, usage={"prompt_tokens": 9, "completion_tokens": 2})
    with pytest.raises(ItemFailedError):
        await server.ask()
    assert (server.formats, server.usage.input_tokens) == ([True], 9)


async def test_a_refusal_of_both_requests_is_that_of_the_second(server):
    server.refuse(400, NOT_SUPPORTED)
    with pytest.raises(ItemFailedError):
        await server.ask(response_format={"type": "text"})
    assert server.formats == [True, True]


@pytest.mark.parametrize(
    ("profile", "model", "expected"),
    [
        ("default", "m", False),
        ("openai", "gpt-4o-mini", True),
        ("openai", "gpt-4.1-nano", True),
        ("openai", "gpt-5", True),
        ("openai", "gpt-4", False),
        ("openai", "gpt-4-turbo", False),
        ("openai", "gpt-3.5-turbo", False),
        ("openai", "gpt-4o-2024-05-13", False),
        ("openai", "o1-mini", False),
        ("openai", "o3", True),
        ("azure", "gpt-4o", True),
        ("azure", "our-deployment", False),
        ("groq", "openai/gpt-oss-120b", True),
        ("groq", "llama-3.3-70b-versatile", False),
        ("google", "gemini-2.5-flash", True),
        ("google", "gemma-3-27b-it", False),
        ("vllm", "any", True),
        ("llama_cpp", "any", True),
        ("ollama", "any", True),
        ("openrouter", "any", False),
        ("anthropic", "any", False),
        ("litellm", "any", False),
    ],
)
def test_each_builtin_profile_knows_which_models_have_structured_output(profile, model, expected):
    assert read_profiles().by_name[profile].shape_of(model).structured_output == expected
