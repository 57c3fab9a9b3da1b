"""A profile file extends the profiles that come with Headrace, and each mistake in it is named."""

import json
import re

import pytest

from deploy.local.paths import REPOSITORY
from services.worker.calls.provider import CompletionRequest
from services.worker.calls.provider.error_body import ErrorBody
from services.worker.calls.provider.profiles import read_profiles
from services.worker.calls.provider.requests import RequestEncoder


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "profiles.yaml"
        path.write_text(text)
        return read_profiles(path)

    return read


def test_a_new_profile_is_selected_by_its_host_and_ends_in_the_default_rules(read):
    profiles = read("profiles: {mine: {hosts: gw.example.com, rules: [{status: 418, then: overload}]}}")
    profile = profiles.of("gw.example.com:8443")
    assert profile.name == "mine"
    assert [profile.judge(status, ErrorBody()).action for status in (418, 429)] == ["overload", "overload"]
    assert profile.judge(401, ErrorBody()).reason == "PROVIDER_KEY_REFUSED"


def test_rules_and_hosts_of_a_file_come_before_the_builtin_ones(read):
    profiles = read("profiles: {vllm: {hosts: '*.openai.com', rules: [{status: 501, then: retry}]}}")
    assert profiles.of("api.openai.com").name == "vllm"
    assert profiles.of("localhost:8000").name == "vllm"
    assert profiles.by_name["vllm"].judge(501, ErrorBody()).action == "retry"
    assert profiles.by_name["openai"].judge(501, ErrorBody()).action == "item_fails"


def test_the_default_profile_of_a_file_applies_to_every_profile(read):
    text = (
        "profiles: {default: {headers: {x-team: a}, request: {system_role: developer},"
        " rules: [{status: 499, then: item_fails}]}}"
    )
    for profile in read(text).by_name.values():
        assert profile.judge(499, ErrorBody()).action == "item_fails"
        assert profile.headers == {"x-team": "a"}
        assert profile.shape.system_role == "developer"


def test_a_file_changes_one_key_of_a_request_and_keeps_the_others(read):
    shape = read("profiles: {ollama: {request: {extra_body: {seed: 1}}}}").by_name["ollama"].shape
    assert (shape.max_tokens_field, shape.extra_body) == ("max_tokens", {"seed": 1})


def test_a_file_says_whether_a_null_finish_reason_is_complete(read):
    text = "profiles: {mine: {null_finish_reason: complete}, ollama: {null_finish_reason: item_fails}}"
    found = {name: profile.null_is_complete for name, profile in read(text).by_name.items()}
    assert {name for name, is_complete in found.items() if is_complete} == {"mine"}
    assert read("profiles: {}").by_name["ollama"].null_is_complete


def test_without_a_file_there_are_the_builtin_profiles():
    names = "openai azure openrouter anthropic google groq vllm llama_cpp ollama litellm default"
    assert list(read_profiles().by_name) == names.split()


@pytest.mark.parametrize("status", ["4xx", "400-499", "[404, 429]", "429", "'429'", "[300-302, 420-430]"])
def test_statuses_are_numbers_ranges_and_hundreds(read, status):
    profile = read(f"profiles: {{p: {{rules: [{{status: {status}, then: retry}}]}}}}").by_name["p"]
    assert profile.judge(429, ErrorBody()).action == "retry"
    assert profile.judge(501, ErrorBody()).action == "item_fails"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("profiles: [", "not valid YAML"),
        ("- a", 'a key "profiles"'),
        ("profiles: {}\nothers: {}", 'no key but "profiles"'),
        ("profiles: {a: {}, a: {}}", "the key a occurs twice"),
        ("profiles: {1: {}}", "key 1"),
        ("profiles: {p: []}", "profile p must be a mapping"),
        ("profiles: {p: {host: a}}", "profile p, key host is unknown"),
        ("profiles: {p: {hosts: []}}", "profile p, key hosts must not be empty"),
        ("profiles: {p: {hosts: [no]}}", "profile p, key hosts must be text"),
        ("profiles: {default: {hosts: a}}", "profile default, key hosts must be absent"),
        ("profiles: {p: {rules: {}}}", "profile p, key rules must be a list"),
        ("profiles: {p: {rules: [a]}}", "profile p, key rules[0] must be a mapping"),
        ("profiles: {p: {rules: [{then: retry}]}}", "profile p, key rules[0] has no condition"),
        ("profiles: {p: {rules: [{status: 500}]}}", "profile p, key rules[0].then must be one of retry,"),
        ("profiles: {p: {rules: [{status: 500, then: again}]}}", "key rules[0].then must be one of"),
        ("profiles: {p: {rules: [{status: 6xx, then: retry}]}}", "key rules[0].status must be"),
        ("profiles: {p: {rules: [{status: 500-400, then: retry}]}}", "key rules[0].status must not"),
        ("profiles: {p: {rules: [{status: 401, then: job_refused}]}}", "key rules[0].reason must be one of"),
        ("profiles: {p: {rules: [{status: 1, then: retry, reason: X}]}}", "key rules[0].reason belongs to"),
        ("profiles: {p: {rules: [{message: '(', then: retry}]}}", "key rules[0].message must be regular"),
        ("profiles: {p: {rules: [{error_object: 1, then: retry}]}}", "key rules[0].error_object must be"),
        ("profiles: {p: {rules: [{code: {}, then: retry}]}}", "key rules[0].code must be text"),
        ("profiles: {p: {request: {system_role: robot}}}", "key request.system_role must be one of"),
        ("profiles: {p: {request: {max_tokens: 5}}}", "key request.max_tokens is unknown"),
        ("profiles: {p: {request: {extra_body: {model: x}}}}", "key request.extra_body.model must not be"),
        ("profiles: {p: {request: {extra_body: {n: 2}}}}", "key request.extra_body.n must not be"),
        (
            "profiles: {p: {request: {extra_body: {stream_options: {}}}}}",
            "extra_body.stream_options must not",
        ),
        ("profiles: {p: {models: {m: {headers: {authorization: x}}}}}", "headers must not set authorization"),
        ("profiles: {p: {models: {m: {headers: {x: 1}}}}}", "headers.x must be text on one line"),
        ("profiles: {p: {request: {headers: {x-a: b}}}}", "key request.headers is unknown"),
        ("profiles: {p: {request: {structured_output: 1}}}", "key request.structured_output must be true or"),
        (
            "profiles: {p: {models: {m: {structured_output: yes please}}}}",
            "structured_output must be true or",
        ),
        (
            "profiles: {p: {request: {extra_body: {a: 2020-01-01}}}}",
            "key request.extra_body.a must be a JSON",
        ),
        ("profiles: {p: {models: {m: {a: 1}}}}", "key models.m.a is unknown"),
        (
            "profiles: {p: {null_finish_reason: no}}",
            "key null_finish_reason must be one of",
        ),
        ("profiles: {p: {headers: {a: 1}}}", "key headers.a must be text"),
        ('profiles: {p: {headers: {a: "b\\r\\nc: d"}}}', "key headers.a must be text on one line"),
        ("profiles: {p: {headers: {Authorization: x}}}", "key headers must not set Authorization"),
        ("profiles: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_file_profile_and_key(read, text, words):
    with pytest.raises(ValueError, match=r"profiles\.yaml") as raised:
        read(text)
    assert words in str(raised.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "gone.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"gone\.yaml cannot be read"):
        read_profiles(path)


def test_the_example_in_the_documents_is_valid(read):
    page = (REPOSITORY / "docs/providers.md").read_text()
    profiles = read(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    gateway = profiles.of("llm.example.com")
    assert gateway.judge(503, ErrorBody(message="still warming up")).action == "outage"
    assert json.loads(
        RequestEncoder(gateway).encode(CompletionRequest("gpt-5-mini", [], max_output_tokens=5))
    ) == {
        "model": "gpt-5-mini",
        "messages": [],
        "max_completion_tokens": 5,
        "reasoning_effort": "low",
    }
    assert profiles.of("gpu-1.example.com:8001").name == "vllm"
