"""A request has the form that its provider wants."""

import gc
import json
import weakref

import pytest

from headrace.kinds import Message, RequestOptions
from services.worker.calls.provider import CompletionRequest
from services.worker.calls.provider.profiles import Profile, RequestShape, read_profiles
from services.worker.calls.provider.requests import RequestEncoder

SYSTEM, USER, ANSWER = Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes?")


def encode_request(profile, request):
    return json.loads(RequestEncoder(profile).encode(request))


def encode(*messages, model="m", **shape):
    profile = Profile(name="p", shape=RequestShape(**shape))
    return encode_request(profile, CompletionRequest(model, messages, 0.5, 20))


def test_the_default_form_is_that_of_openai():
    assert encode(SYSTEM, USER) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "max_completion_tokens": 20,
    }


def test_fields_that_the_request_does_not_set_are_left_out():
    request = CompletionRequest("m", [USER])
    assert encode_request(Profile(name="p"), request).keys() == {"model", "messages"}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_the_output_has_the_name_that_the_provider_knows(name):
    body = encode(USER, max_tokens_field=name)
    assert {key for key in body if key.startswith("max")} == {name}
    assert body[name] == 20


@pytest.mark.parametrize(
    ("chat", "merged"),
    [
        ([SYSTEM, USER], [("user", "Be brief.\n\nHi")]),
        ([SYSTEM, SYSTEM, USER], [("user", "Be brief.\n\nBe brief.\n\nHi")]),
        ([USER, SYSTEM], [("user", "Be brief.\n\nHi")]),
        ([ANSWER, SYSTEM, USER, USER], [("assistant", "Yes?"), ("user", "Be brief.\n\nHi"), ("user", "Hi")]),
        ([SYSTEM], [("user", "Be brief.")]),
        ([SYSTEM, ANSWER], [("user", "Be brief."), ("assistant", "Yes?")]),
        ([USER, ANSWER], [("user", "Hi"), ("assistant", "Yes?")]),
        ([], []),
    ],
)
def test_without_a_system_role_its_words_begin_the_users_message(chat, merged):
    body = encode(*chat, system_role="none")
    assert [(message["role"], message["content"]) for message in body["messages"]] == merged


def test_the_system_role_can_have_the_name_developer():
    assert [m["role"] for m in encode(SYSTEM, USER, system_role="developer")["messages"]] == [
        "developer",
        "user",
    ]


def test_further_fields_are_sent_as_they_are_and_replace_none_of_the_request():
    body = encode(USER, extra_body={"seed": 1, "reasoning": {"effort": "low"}, "temperature": 0.9})
    assert (body["seed"], body["reasoning"], body["temperature"]) == (1, {"effort": "low"}, 0.5)


def test_a_model_has_the_form_of_its_pattern():
    profile = Profile(name="p", model_shapes={"o1*": RequestShape(system_role="none")})
    roles = {
        model: [
            m["role"] for m in encode_request(profile, CompletionRequest(model, [SYSTEM, USER]))["messages"]
        ]
        for model in ("o1-mini", "gpt-x")
    }
    assert roles == {"o1-mini": ["user"], "gpt-x": ["system", "user"]}


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("default", "max_completion_tokens"),
        ("openai", "max_completion_tokens"),
        ("azure", "max_completion_tokens"),
        ("groq", "max_completion_tokens"),
        ("anthropic", "max_tokens"),
        ("google", "max_tokens"),
        ("openrouter", "max_tokens"),
        ("vllm", "max_tokens"),
        ("llama_cpp", "max_tokens"),
        ("ollama", "max_tokens"),
        ("litellm", "max_tokens"),
    ],
)
def test_each_builtin_profile_limits_the_output_by_a_field_that_its_servers_obey(profile, name):
    assert read_profiles().by_name[profile].shape.max_tokens_field == name


def test_options_of_a_job_that_is_forgotten_are_forgotten_with_it():
    encoder = RequestEncoder(Profile(name="p", shape=RequestShape(structured_output=True)))
    options = RequestOptions(answer_schema={"enum": ["x" * 1000]})
    seen = weakref.ref(options)
    request = CompletionRequest("m", (USER,), options=options)
    assert b'"response_format"' in encoder.encode(request)
    encoder.leave_out_schema(request)
    assert b'"response_format"' not in encoder.encode(request)
    del options, request
    gc.collect()
    assert seen() is None
    equal = RequestOptions(answer_schema={"enum": ["x" * 1000]})
    assert b'"response_format"' not in encoder.encode(CompletionRequest("m", (USER,), options=equal))


def test_any_number_of_models_and_limits_can_be_asked_for():
    encoder = RequestEncoder(Profile(name="p"))
    options = RequestOptions(fields={"seed": 1})
    for number in range(1, 1100):
        for chosen in (None, options):
            request = CompletionRequest(f"m{number}", (USER,), None, number, options=chosen)
            body = json.loads(encoder.encode(request))
            assert (body["model"], body["max_completion_tokens"]) == (f"m{number}", number)
            assert ("seed" in body) == (chosen is not None)


def test_gemma_at_google_gets_no_system_role():
    request = CompletionRequest("gemma-3-27b-it", [SYSTEM, USER])
    (message,) = encode_request(read_profiles().by_name["google"], request)["messages"]
    assert message == {"role": "user", "content": "Be brief.\n\nHi"}
