"""A refusal of params names every wrong field."""

import dataclasses
import json

import pytest
from pydantic import BaseModel

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
        (json.dumps({**GOOD, "labels": ["a", "\ufdfa" * 50]}), "params.labels"),
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


def test_labels_in_any_script_and_typography_are_accepted():
    labels = [
        "\ufdfa \ufdfb",
        "\ufb03x" * 100,
        "\u337f",
        "\u3131" * 500,
        "\u1e9b\u0323" * 200,
        "\uff21" * 500,
    ]
    validate_params(KINDS["llm.classify"], json.dumps({**GOOD, "labels": labels}))


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


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("lables", "labels"),
        ("Template", "template"),
        ("max_tokens", "max_output_tokens"),
        ("temprature", "temperature"),
        ("responseFormat", "response_format"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known_one(name: str, nearest: str):
    found = violations("llm.classify", json.dumps({**GOOD, name: 1}))
    assert found[f"params.{name}"] == f"is not a field of this kind's params; did you mean {nearest}?"


def test_an_unknown_field_like_no_other_is_named_alone():
    found = violations("llm.classify", json.dumps({**GOOD, "colour": 1}))
    assert found["params.colour"] == "is not a field of this kind's params"


@pytest.mark.parametrize(
    ("kind", "params", "first"),
    [
        ("llm.classify", {**GOOD, **{f"x{i}": 1 for i in range(90_000)}}, "params.x0"),
        ("llm.classify", {**GOOD, "labels": [1] * 500_000}, "params.labels"),
        ("llm.classify", {**GOOD, "labels": [1] * 1_000}, "params.labels[0]"),
        ("llm.complete", {"prompts": {f"x{i}": 1 for i in range(90_000)}}, "params.prompts"),
        ("llm.complete", {"prompt": "{a}", "extra_headers": dict.fromkeys(map(str, range(90_000)))},
         "params.extra_headers"),
        ("llm.complete", {"prompt": "{a}", "stop": [1] * 500_000}, "params.stop"),
        ("llm.complete", {"prompt": "{a}", "extra_body": {str(i): 1 for i in range(90_000)}},
         "params.extra_body"),
    ],
)  # fmt: skip
def test_an_error_holds_20_violations_however_many_there_are(kind: str, params, first: str):
    with pytest.raises(InvalidArgumentError) as raised:
        validate_params(KINDS[kind], json.dumps(params))
    assert raised.value.violations[0].field == first
    assert len(raised.value.violations) <= 21
    assert len(raised.value.message) < 2_000


def test_violations_that_are_not_listed_are_counted():
    with pytest.raises(InvalidArgumentError) as raised:
        validate_params(KINDS["noop"], json.dumps({f"x{i}": 1 for i in range(1_234)}))
    assert raised.value.violations[-1] == ("", "and 1,214 more")
    assert raised.value.message.endswith("; and 1,224 more")


def test_thousands_of_wrong_values_in_the_params_of_another_kind_are_one_violation():
    class Params(BaseModel):
        numbers: list[int]

    kind = dataclasses.replace(KINDS["noop"], name="own", params_model=Params)
    with pytest.raises(InvalidArgumentError) as raised:
        validate_params(kind, json.dumps({"numbers": ["x"] * 5_000}))
    assert raised.value.violations == (("params", "has 5,000 wrong values; correct its lists and objects"),)


@pytest.mark.parametrize("name", ["x" * 900_000, "\x1b[2J", "\ud800", "\0", "a.b[0]"])
def test_the_name_of_an_unknown_field_is_repeated_in_short(name: str):
    with pytest.raises(InvalidArgumentError) as raised:
        validate_params(KINDS["noop"], json.dumps({name: 1}))
    assert len(raised.value.message) < 200


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400, "1" * 100_000, "NaN", "Infinity"])
def test_a_number_that_json_cannot_hold_is_refused(number: str):
    assert "is not" in violations("noop", f'{{"sleep_ms": {number}}}')["params"]


@pytest.mark.parametrize("number", ["1" * 30, "1e300", "18446744073709551616"])
def test_a_number_out_of_range_is_refused_by_name(number: str):
    assert "params.sleep_ms" in violations("noop", f'{{"sleep_ms": {number}}}')


@pytest.mark.parametrize("levels", [260, 1_000, 10_000])
def test_params_nested_too_deeply_are_refused_by_name(levels: int):
    text = f'{{"prompt": "{{a}}", "extra_body": {{"a": {"[" * levels + "]" * levels}}}}}'
    (field,) = found = violations("llm.complete", text)
    assert field in ("params", "params.extra_body")
    assert found[field] == "must be nested at most 250 levels deep"
