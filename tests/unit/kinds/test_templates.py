"""Templates: what they render, and what they refuse to render."""

import asyncio
import tracemalloc

import orjson
import pytest

from headrace.kinds import ItemFailedError, builtin_kinds, estimate_tokens, validate_params
from headrace.kinds.template import (
    ALWAYS_ALLOWED_BYTES,
    MAX_ITEM_BYTES,
    MAX_PROMPT_BYTES,
    parse_template,
    prompt_sizes,
    render_prompts,
)

MB = 1024 * 1024
KINDS = builtin_kinds()
# 6 KB of template and 1 MB of item made 2 GB.
MULTIPLIER = "{a}" * 2_000
LARGE = {"a": "x" * (MB - 10)}


def render(text: str, item) -> str:
    (prompt,) = render_prompts([parse_template(text)], item)
    return prompt


def size(text: str, item) -> int:
    (size,) = prompt_sizes([parse_template(text)], item)
    return size


def refusal(*templates: str, item) -> ItemFailedError:
    with pytest.raises(ItemFailedError) as raised:
        render_prompts([parse_template(text) for text in templates], item)
    with pytest.raises(ItemFailedError) as estimated:
        prompt_sizes([parse_template(text) for text in templates], item)
    assert estimated.value.reason == raised.value.reason
    return raised.value


@pytest.mark.parametrize(
    ("text", "item", "rendered"),
    [
        ("{a}", {"a": "x"}, "x"),
        ("{{{a}}}", {"a": "x"}, "{x}"),
        ("{{a}} {b}", {"b": 1}, "{a} 1"),
        ("{a}{a}-{b} ", {"a": "é", "b": [1, {"c": None}]}, 'éé-[1, {"c": null}] '),
        ("}}{ a }{{", {" a ": True}, "}true{"),
        ("{a}", {"a": "{b}", "b": "x"}, "{b}"),
        ("é{a}\U0001f642", {"a": "\ud800"}, "é\ud800\U0001f642"),
        ("\n{a\nb}\n", {"a\nb": 1.5}, "\n1.5\n"),
    ],
)
def test_a_rendered_text_has_the_size_that_was_computed(text, item, rendered):
    assert render(text, item) == rendered
    assert size(text, item) == len(rendered.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("{a} }", "lone brace at character 4"), ("{{}} {a", "character 5"), ("{}{a}", "character 0")],
)
def test_a_lone_brace_is_named_by_its_place(text, words):
    with pytest.raises(ValueError, match=words):
        parse_template(text)


def test_a_template_that_multiplies_a_field_is_refused_before_it_is_rendered():
    tracemalloc.start()
    try:
        error = refusal(MULTIPLIER, item=LARGE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.reason == "PROMPT_TOO_LARGE"
    assert "4,194,304 are allowed" in error.message
    assert peak < MB


def test_a_prompt_may_be_ten_times_its_template_and_fields():
    field = "x" * 100_000
    assert len(render("{a}" * 10, {"a": field})) == 1_000_000
    assert refusal("{a}" * 11, item={"a": field}).reason == "PROMPT_TOO_LARGE"


def test_a_short_prompt_may_repeat_a_field_often():
    assert len(render("{a}" * 64, {"a": "x" * 1024})) == ALWAYS_ALLOWED_BYTES
    assert len(render("{a}" * 2_000, {"a": "x" * 30})) == 60_000


def test_no_prompt_is_over_4_mb():
    assert len(render("{a}" * 4, {"a": "x" * MB})) == MAX_PROMPT_BYTES
    assert refusal("{a}" * 4 + "y", item={"a": "x" * MB}).reason == "PROMPT_TOO_LARGE"


def test_the_prompts_of_an_item_together_are_limited():
    item = {"a": "x" * MB}
    assert sum(map(len, render_prompts([parse_template("{a}")] * 16, item))) == MAX_ITEM_BYTES
    assert refusal(*["{a}"] * 17, item=item).reason == "PROMPT_TOO_LARGE"


@pytest.mark.parametrize("value", [[1e15] * 1000, {"k": ["\x01"] * 1000}, "\x01" * 1000])
def test_the_size_counts_values_as_they_are_written(value):
    assert size("{a}", {"a": value}) == len(render("{a}", {"a": value}))


@pytest.mark.parametrize("item", [None, [], "a", 7, {}, {"A": 1}])
def test_a_missing_field_is_named(item):
    error = refusal("{a}", item=item)
    assert error.reason == "FIELD_MISSING"
    assert "'a'" in error.message


def test_a_field_that_json_cannot_write_fails_the_item():
    assert refusal("{a}", item={"a": orjson.loads("[" * 1020 + "]" * 1020)}).reason == "INPUT_NOT_JSON"


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("llm.classify", {"labels": ["a", "b"], "template": MULTIPLIER}),
        ("llm.complete", {"prompt": MULTIPLIER}),
        ("llm.complete", {"prompts": {"p": "{a}", "q": MULTIPLIER}}),
    ],
)
def test_a_kind_makes_no_call_and_no_estimate_of_such_an_item(kind, params, context_with):
    context = context_with()
    validated = validate_params(KINDS[kind], orjson.dumps(params).decode())
    for attempt in (
        lambda: KINDS[kind].estimate(validated, LARGE),
        lambda: asyncio.run(KINDS[kind].run(validated, LARGE, context)),
    ):
        with pytest.raises(ItemFailedError) as raised:
            attempt()
        assert raised.value.reason == "PROMPT_TOO_LARGE"
    assert context.chats == []


def test_an_estimate_counts_the_tokens_of_the_rendered_text():
    validated = validate_params(KINDS["llm.complete"], '{"prompt": "é{a}{b}{a}", "system": "ö"}')
    item = {"a": "ü" * 101, "b": [1, 2]}
    (call,) = KINDS["llm.complete"].estimate(validated, item)
    assert call.input_tokens == estimate_tokens("ö", render("é{a}{b}{a}", item))
