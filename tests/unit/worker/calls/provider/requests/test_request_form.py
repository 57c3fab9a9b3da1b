"""The form of a request names everything that may change its answer."""

import json
from dataclasses import replace

import pytest

from headrace.kinds import Message, RequestOptions
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.calls.provider.profiles import read_profiles

ASK = CompletionRequest("m", (Message("user", "x"),))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


@pytest.fixture
def form(tmp_path):
    def of(ask=ASK, base_url="http://llm.test/v1", key="k", **profile):
        file = tmp_path / "profiles.yaml"
        file.write_text(json.dumps({"profiles": {"mine": {"hosts": ["llm.test"], **profile}}}))
        return OpenAiProvider(api_key=key, base_url=base_url, profiles=read_profiles(file)).form_of(ask)

    return of


def with_options(**options):
    return replace(ASK, options=RequestOptions(**options))


def test_the_form_of_openai_without_options_is_empty(form):
    assert form() == ("", None)
    assert form(with_options()) == ("", None)


def test_whatever_may_change_the_answer_changes_the_form(form, monkeypatch):
    forms = [
        form(),
        form(base_url="http://llm.test/openai/deployments/a"),
        form(base_url="http://llm.test/openai/deployments/b"),
        form(base_url="http://llm.test/openai/deployments/b?api-version=1"),
        form(base_url="http://llm.test/openai/deployments/b?api-version=2"),
        form(request={"extra_body": {"seed": 1}}),
        form(request={"extra_body": {"seed": 2}}),
        form(request={"system_role": "none"}),
        form(request={"max_tokens_field": "max_tokens"}),
        form(models={"m": {"extra_body": {"top_k": 1}}}),
        form(models={"m": {"headers": {"x-model": "a"}}}),
        form(headers={"x-variant": "a"}),
        form(headers={"x-variant": "b"}),
        form(with_options(fields={"reasoning_effort": "low"})),
        form(with_options(fields={"response_format": {"type": "json_object"}})),
        form(with_options(headers={"x-variant": "a"})),
        form(with_options(max_tokens_field="max_tokens", system_role="developer")),
        form(with_options(system_role="developer")),
        form(with_options(answer_schema={"type": "string"}, structured_output=True)),
        form(with_options(answer_schema={"type": "object"}, structured_output=True)),
    ]
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-config: c")
    forms.append(form())
    assert len({key for key, _ in forms}) == len(forms)


def test_whatever_cannot_change_the_answer_leaves_the_form_as_it_is(form, monkeypatch):
    assert form(with_options(fields={"service_tier": "flex"})) == ("", "flex")
    assert form(request={"extra_body": {"service_tier": "flex"}}) == ("", "flex")
    assert form(with_options(answer_schema={"type": "string"})) == ("", None)
    assert form(with_options(answer_schema={}, structured_output=False)) == ("", None)
    assert form(key="other") == ("", None)
    assert form(base_url="http://user:pass@llm.test/v1/") == ("", None)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "api-key: 1\nAuthorization: Bearer 2\nx-auth-token: 3")
    assert form() == ("", None)


def test_a_field_of_the_job_replaces_that_of_the_profile(form):
    profile = {"request": {"extra_body": {"service_tier": "flex", "seed": 1}}}
    same = form(with_options(fields={"seed": 1, "service_tier": "priority"}), **profile)
    assert same == (form(**profile).answer_key, "priority")
    assert form(with_options(fields={"seed": 2}), **profile).answer_key != same.answer_key


def test_the_order_of_fields_makes_no_difference(form):
    one = form(with_options(fields={"a": 1, "b": 2}, headers={"x-a": "1", "x-b": "2"}))
    assert one == form(with_options(fields={"b": 2, "a": 1}, headers={"X-B": "2", "X-A": "1"}))


def test_a_worker_without_a_provider_has_a_form_too():
    assert OpenAiProvider().form_of(ASK) == ("", None)


def test_the_form_reveals_no_key(form, monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "api-key: s3cret\nx-my-token: s3cret")
    assert "s3cret" not in str(form(key="s3cret", base_url="http://u:s3cret@llm.test/a"))
