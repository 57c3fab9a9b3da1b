"""llm.classify asks once, once more if the answer chooses no label, and then fails the item."""

import json

import pytest

from headrace.errors import InvalidArgumentError
from headrace.kinds import Completion, ItemFailedError, RequestOptions, builtin_kinds, validate_params

KIND = builtin_kinds()["llm.classify"]
PARAMS = {"labels": ["Sales", "IT & Security", "Inc."], "template": "{title} at {company}"}
ITEM = {"title": "Account Executive", "company": "Acme"}
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": PARAMS["labels"]}},
    "required": ["label"],
    "additionalProperties": False,
}


def params(**changes):
    return validate_params(KIND, json.dumps({**PARAMS, **changes}))


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("Sales", "Sales"),
        ("  sales\n", "Sales"),
        ('"Sales".', "Sales"),
        ("'IT & security.'", "IT & Security"),
        ("“Inc.”", "Inc."),
        ("inc", "Inc."),
    ],
)
async def test_an_answer_is_matched_without_case_quotes_and_dot(context_with, answer, label):
    context = context_with(answer)
    assert await KIND.run(params(), ITEM, context) == {"label": label}
    assert len(context.chats) == 1


async def test_the_item_fills_the_template(context_with):
    context = context_with("Sales")
    await KIND.run(params(), ITEM, context)
    assert context.chats[0][-1].content == "Account Executive at Acme"
    assert all(label in context.chats[0][0].content for label in PARAMS["labels"])


async def test_an_answer_outside_the_labels_is_asked_for_once_more(context_with):
    context = context_with("It is about selling.", "Sales")
    assert await KIND.run(params(), ITEM, context) == {"label": "Sales"}
    first, second = context.chats
    assert second[: len(first)] == first
    assert [message.role for message in second[len(first) :]] == ["assistant", "user"]
    assert second[len(first)].content == "It is about selling."


async def test_a_second_answer_outside_the_labels_fails_the_item(context_with):
    with pytest.raises(ItemFailedError) as raised:
        await KIND.run(params(), ITEM, context_with("no", "idea"))
    assert raised.value.reason == "LABEL_UNKNOWN"
    assert raised.value.message == 'both answers of the model match no label: "no" and "idea"'


@pytest.mark.parametrize(
    ("answer", "quoted"),
    [
        ("a\r\nb\tc\x1b[0m\u2028d\u202e", r"a\r\nb\tc\x1b[0m\u2028d\u202e"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("\n\n" + "\x00" * 300, (r"\x00" * 50)[:199] + "…"),
        ("<think>at length</think>Sales or Inc.", "Sales or Inc."),
        ("<think>at length", "<think>at length"),
        ("\ud83d", r"\ud83d"),
        ("", ""),
    ],
)
async def test_the_message_quotes_an_unknown_answer_on_one_line(context_with, answer, quoted):
    with pytest.raises(ItemFailedError) as raised:
        await KIND.run(params(), ITEM, context_with("no", answer))
    assert raised.value.message == f'both answers of the model match no label: "no" and "{quoted}"'


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ("<think>at length</think>\nSelling.", "Selling."),
        ("word " * 1000, ("word " * 1000)[:1000]),
        ("<think>cut off", "(no answer)"),
        ("", "(no answer)"),
        ("half \ud83d", "half ?"),
    ],
)
async def test_the_second_call_repeats_the_answer_in_short_and_is_never_empty(context_with, answer, sent):
    context = context_with(answer, "Sales")
    assert await KIND.run(params(), ITEM, context) == {"label": "Sales"}
    first, second = context.chats
    assert second[: len(first)] == first
    assert second[len(first)].content == sent


@pytest.mark.parametrize("answer", ["**Sales**", '{"label": "Sales"}', "<think>Inc.?</think>Label: sales"])
async def test_a_label_in_another_form_needs_no_second_call(context_with, answer):
    context = context_with(answer)
    assert await KIND.run(params(), ITEM, context) == {"label": "Sales"}
    assert len(context.chats) == 1


@pytest.mark.parametrize(
    ("text", "call_count"), [("Sales\nThe posting is abo", 1), ("The posting is abo", 2), ("", 2)]
)
async def test_an_answer_that_was_cut_off_is_searched_by_the_same_rules(context_with, text, call_count):
    context = context_with(Completion(text, "length"), "Sales")
    assert await KIND.run(params(max_output_tokens=9), ITEM, context) == {"label": "Sales"}
    assert len(context.chats) == call_count


async def test_both_calls_have_the_limit_of_output_tokens(context_with):
    context = context_with("no", "Sales")
    await KIND.run(params(max_output_tokens=12), ITEM, context)
    assert [options["max_output_tokens"] for options in context.options] == [12, 12]


@pytest.mark.parametrize("value", [0, -1, 1.5, "12", True, 10_000_001])
def test_a_limit_of_output_tokens_is_a_positive_integer(value):
    with pytest.raises(InvalidArgumentError) as raised:
        params(max_output_tokens=value)
    assert list(dict(raised.value.violations)) == ["params.max_output_tokens"]


@pytest.mark.parametrize(("limit", "output_tokens"), [(None, 8), (50, 50)])
def test_an_estimate_counts_the_longest_label_or_the_limit(limit, output_tokens):
    (call,) = KIND.estimate(params(max_output_tokens=limit), ITEM)
    assert call.output_tokens == output_tokens


@pytest.mark.parametrize("item", [{"title": "x"}, {}, "text", 7, None, ["title", "company"]])
async def test_a_missing_field_fails_the_item_before_any_call(context_with, item):
    context = context_with()
    with pytest.raises(ItemFailedError) as raised:
        await KIND.run(params(), item, context)
    assert raised.value.reason == "FIELD_MISSING"
    assert "company" in raised.value.message or "title" in raised.value.message
    assert context.chats == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x00b 🙂 {x}", "a\x00b 🙂 {x}"),
        (True, "true"),
        (2**80, str(2**80)),
        (["ä", 1.5], '["ä", 1.5]'),
        ({"a": 1}, '{"a": 1}'),
        ("", ""),
    ],
)
async def test_a_field_is_put_in_as_text_or_as_json(context_with, value, text):
    context = context_with("Sales")
    await KIND.run(params(template="<{field}>"), {"field": value}, context)
    assert context.chats[0][-1].content == f"<{text}>"


async def test_null_is_empty_text_next_to_other_fields(context_with):
    context = context_with("Sales")
    await KIND.run(params(template="{title} at {company}."), {"title": "Cook", "company": None}, context)
    assert context.chats[0][-1].content == "Cook at ."


async def test_an_item_with_nothing_but_null_fails_without_a_call(context_with):
    context = context_with("Sales")
    with pytest.raises(ItemFailedError) as raised:
        await KIND.run(params(template="{title} at {company}"), {"title": None, "company": None}, context)
    assert raised.value.reason == "FIELD_MISSING"
    assert raised.value.message == "the item has null in 'title', 'company'"
    assert context.chats == []


async def test_doubled_braces_are_braces(context_with):
    context = context_with("Sales")
    await KIND.run(params(template="{{{a b}}} {{}}"), {"a b": "x"}, context)
    assert context.chats[0][-1].content == "{x} {}"


async def test_the_same_item_gives_the_same_request_and_nothing_that_a_model_may_refuse(context_with):
    first, second = context_with("Sales"), context_with("Sales")
    await KIND.run(params(), ITEM, first)
    await KIND.run(params(), ITEM, second)
    assert first.chats == second.chats
    (options,) = first.options
    assert first.options == second.options
    assert options.pop("options") == RequestOptions(answer_schema=SCHEMA)
    assert options == {"model": None, "temperature": None, "max_output_tokens": None}


async def test_the_jobs_model_is_asked_for(context_with):
    context = context_with("no", "Sales")
    await KIND.run(params(model="gpt-5"), ITEM, context)
    assert [options["model"] for options in context.options] == ["gpt-5", "gpt-5"]


@pytest.mark.parametrize(
    ("labels", "answer", "label"),
    [
        (["Sales", "label"], '{"label": "Sales"}', "Sales"),
        (["Sales", "label"], '{"label": "label"}', "label"),
        (["Sales", "Sales Manager"], '{\n  "label": "Sales Manager"\n}', "Sales Manager"),
        (['say "hi"', "x: {y}"], '{"label": "say \\"hi\\""}', 'say "hi"'),
        (['say "hi"', "x: {y}"], ' {"label":"x: {y}"} ', "x: {y}"),
        (["caf\u00e9", "b\\c"], '{"label": "caf\\u00e9"}', "caf\u00e9"),
        (["[1, 2]", '{"label": "x"}'], '{"label": "{\\"label\\": \\"x\\"}"}', '{"label": "x"}'),
    ],
)
async def test_structured_output_is_read_whatever_the_labels_contain(context_with, labels, answer, label):
    context = context_with(answer)
    assert await KIND.run(params(labels=labels), ITEM, context) == {"label": label}
    assert len(context.chats) == 1


@pytest.mark.parametrize(
    "answer", ['{"label": "Other"}', '{"label": null}', '{"label": ["Sales", "Inc."]}', "{}", '{"label": {}}']
)
async def test_structured_output_without_a_label_is_asked_for_once_more(context_with, answer):
    context = context_with(answer, '{"label": "Sales"}')
    assert await KIND.run(params(), ITEM, context) == {"label": "Sales"}
    assert len(context.chats) == 2


@pytest.mark.parametrize(
    ("changes", "has_schema"),
    [
        ({}, True),
        ({"structured_output": True}, True),
        ({"structured_output": False}, False),
        ({"response_format": {"type": "text"}}, False),
        ({"max_output_tokens": 100}, True),
        ({"max_output_tokens": 5}, False),
        ({"max_output_tokens": 5, "structured_output": True}, True),
        ({"stop": "}"}, False),
        ({"stop": "}", "structured_output": True}, True),
    ],
)
def test_the_schema_is_offered_unless_the_job_or_its_limits_speak_against_it(changes, has_schema):
    options = params(**changes).request_options
    assert (options is not None and options.answer_schema == SCHEMA) == has_schema
    assert options is None or options.structured_output == (changes.get("structured_output") or None)


def test_structured_output_and_another_response_format_exclude_each_other():
    with pytest.raises(InvalidArgumentError, match="structured_output must not be set together"):
        params(structured_output=True, response_format={"type": "text"})


def test_an_estimate_counts_the_json_around_a_label():
    (plain,), (structured,) = (
        KIND.estimate(params(**changes), ITEM) for changes in ({}, {"structured_output": True})
    )
    assert structured.output_tokens == plain.output_tokens + 12
