"""A refusal of params names every wrong field."""

import json

import pytest

from headrace.errors import InvalidArgumentError
from headrace.kinds import builtin_kinds, params_schema, validate_params

KINDS = builtin_kinds()
REQUEST_PARAMS = {
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "reasoning_effort",
    "service_tier",
    "response_format",
    "max_tokens_field",
    "system_role",
    "extra_body",
    "extra_headers",
}
GOOD = {"labels": ["sales", "legal"], "template": "Classify: {title}"}


def violations(kind: str, params: str) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as raised:
        validate_params(KINDS[kind], params)
    assert raised.value.reason == "INVALID_FIELD"
    return dict(raised.value.violations)


def test_good_params_are_returned_as_the_handler_takes_them():
    params = validate_params(KINDS["llm.classify"], json.dumps(GOOD))
    unset = dict.fromkeys(["model", "max_output_tokens", "structured_output", *REQUEST_PARAMS])
    assert params.model_dump() == {**GOOD, **unset}


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ('{"labels": [', "params"),
        ("[1]", "params"),
        ("null", "params"),
        ('"text"', "params"),
        (json.dumps({**GOOD, "labels": []}), "params.labels"),
        (json.dumps({**GOOD, "labels": ["a", " "]}), "params.labels"),
        (json.dumps({**GOOD, "labels": ["a", "b", "A"]}), "params.labels"),
        (json.dumps({**GOOD, "labels": ["a", "b\nc"]}), "params.labels"),
        (json.dumps({**GOOD, "labels": ["a"] * 1001}), "params.labels"),
        (json.dumps({**GOOD, "labels": "sales"}), "params.labels"),
        (json.dumps({**GOOD, "labels": ["a", 7]}), "params.labels[1]"),
        (json.dumps({**GOOD, "template": "Classify this"}), "params.template"),
        (json.dumps({**GOOD, "template": "only {{braces}}"}), "params.template"),
        (json.dumps({**GOOD, "template": "{title"}), "params.template"),
        (json.dumps({**GOOD, "template": "title}"}), "params.template"),
        (json.dumps({**GOOD, "template": "{}"}), "params.template"),
        (json.dumps({**GOOD, "model": ""}), "params.model"),
        (json.dumps({**GOOD, "lables": []}), "params.lables"),
    ],
)
def test_a_wrong_field_is_named(params: str, field: str):
    assert field in violations("llm.classify", params)


def test_every_wrong_field_is_named_at_once():
    found = violations("llm.classify", '{"labels": [], "colour": 1}')
    assert set(found) == {"params.labels", "params.template", "params.colour"}
    assert found["params.template"] == "is required"


def test_two_equal_labels_are_named_by_position():
    found = violations("llm.classify", json.dumps({**GOOD, "labels": ["x", "Sales.", "sales"]}))
    assert "label 2 is the same as label 1" in found["params.labels"]


def test_what_was_sent_is_not_repeated():
    found = violations("llm.classify", '{"labels": ["s3cret", 5, ""], "template": "s3cret"}')
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("sleep_ms", ["-1", '"5"', "3600001", "1.5"])
def test_noop_refuses_a_time_it_cannot_sleep(sleep_ms: str):
    assert "params.sleep_ms" in violations("noop", f'{{"sleep_ms": {sleep_ms}}}')


def test_empty_params_mean_an_empty_object():
    assert validate_params(KINDS["noop"], "").model_dump() == {"sleep_ms": 0}


def test_the_schema_shows_each_field_with_a_description():
    schema = json.loads(params_schema(KINDS["llm.classify"]))
    own = {"labels", "template", "model", "max_output_tokens", "structured_output"}
    assert set(schema["properties"]) == own | REQUEST_PARAMS
    assert all(field["description"] for field in schema["properties"].values())
    assert schema["required"] == ["labels", "template"]
    assert schema["additionalProperties"] is False
