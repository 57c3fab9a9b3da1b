"""llm.complete asks one prompt or several concurrently, and returns each answer with its tokens."""

import asyncio
import json

import pytest

from headrace.errors import InvalidArgumentError
from headrace.kinds import (
    Completion,
    ItemFailedError,
    JobFailedError,
    JobRefusedError,
    Message,
    RetryableError,
    builtin_kinds,
    params_schema,
    validate_params,
)

KIND = builtin_kinds()["llm.complete"]
PROMPT = "Summarise: {text}"
PROMPTS = {"summary": "Summarise: {text}", "mood": "Mood of: {text}", "tags": "Tags of: {text}"}
ITEM = {"text": "fine"}
ANSWER = Completion("ok", "stop", 7, 3, 2)
SHOWN = {"text": "ok", "finish_reason": "stop", "input_tokens": 7, "output_tokens": 3, "cached_tokens": 2}


def params(**fields):
    return validate_params(KIND, json.dumps(fields))


def violations(**fields) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as raised:
        params(**fields)
    return dict(raised.value.violations)


def answers(**changes) -> dict[str, Completion | Exception | None]:
    by_name = dict.fromkeys(PROMPTS, ANSWER) | changes
    return {PROMPTS[name].replace("{text}", "fine"): answer for name, answer in by_name.items()}


async def test_one_prompt_gives_its_answer_with_its_tokens(context_with):
    context = context_with(ANSWER)
    assert await KIND.run(params(prompt=PROMPT), ITEM, context) == SHOWN
    assert context.chats == [[Message("user", "Summarise: fine")]]


async def test_several_prompts_give_each_answer_by_name_in_their_order(side_by_side):
    context = side_by_side(answers(mood=Completion("good", "length", 1, 2)), together=3)
    output = await KIND.run(params(prompts=PROMPTS), ITEM, context)
    assert list(output) == ["answers"]
    assert list(output["answers"]) == ["summary", "mood", "tags"]
    assert output["answers"]["summary"] == SHOWN
    assert output["answers"]["mood"]["text"] == "good"
    assert output["answers"]["mood"]["finish_reason"] == "length"


async def test_several_prompts_are_asked_side_by_side(side_by_side):
    context = side_by_side(answers(), together=3)  # no answer before all three calls
    async with asyncio.timeout(10):
        await KIND.run(params(prompts=PROMPTS), ITEM, context)


async def test_one_named_prompt_is_answered_by_name_too(context_with):
    output = await KIND.run(params(prompts={"mood": "{text}?"}), ITEM, context_with(ANSWER))
    assert output == {"answers": {"mood": SHOWN}}


async def test_the_system_message_comes_first_and_is_sent_as_it_is(context_with):
    context = context_with(ANSWER)
    await KIND.run(params(prompt=PROMPT, system="Be brief. {text}"), ITEM, context)
    assert context.chats == [[Message("system", "Be brief. {text}"), Message("user", "Summarise: fine")]]


async def test_unset_params_are_not_sent(context_with):
    context = context_with(ANSWER, ANSWER)
    await KIND.run(params(prompt=PROMPT), ITEM, context)
    await KIND.run(params(prompt=PROMPT, model="m", max_output_tokens=50, temperature=0), ITEM, context)
    assert context.options == [
        {"model": None, "temperature": None, "max_output_tokens": None, "options": None},
        {"model": "m", "temperature": 0, "max_output_tokens": 50, "options": None},
    ]


@pytest.mark.parametrize("item", [{"text": "x"}, {}, "text", None])
async def test_a_field_missing_in_any_prompt_fails_the_item_before_any_call(context_with, item):
    context = context_with()
    with pytest.raises(ItemFailedError) as raised:
        await KIND.run(params(prompts={"a": "{text}", "b": "{title}"}), item, context)
    assert raised.value.reason == "FIELD_MISSING"
    assert context.chats == []


async def test_a_call_that_may_pass_lets_the_others_finish_and_names_its_prompt(side_by_side):
    context = side_by_side(answers(summary=RetryableError("PROVIDER_ERROR", "HTTP 503")), together=3)
    with pytest.raises(RetryableError) as raised:
        await KIND.run(params(prompts=PROMPTS), ITEM, context)
    assert (raised.value.reason, raised.value.message) == ("PROVIDER_ERROR", "prompt summary: HTTP 503")
    assert sorted(context.finished) == ["Mood of: fine", "Tags of: fine"]


async def test_several_failed_calls_wait_for_the_longest_and_count_as_an_attempt_unless_all_were_rate_limits(
    side_by_side,
):
    limited, busy = RetryableError("RATE_LIMITED", "", 9.0), RetryableError("PROVIDER_ERROR", "", 2.0)
    with pytest.raises(RetryableError) as raised:
        await KIND.run(params(prompts=PROMPTS), ITEM, side_by_side(answers(summary=limited, tags=busy), 3))
    assert (raised.value.reason, raised.value.retry_after) == ("PROVIDER_ERROR", 9.0)
    with pytest.raises(RetryableError) as raised:
        await KIND.run(params(prompts=PROMPTS), ITEM, side_by_side(answers(tags=limited), 3))
    assert raised.value.reason == "RATE_LIMITED"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ItemFailedError("PROVIDER_REFUSED_INPUT", "no"), "prompt mood: no"),
        (JobFailedError("PROVIDER_KEY_REFUSED", "no"), "no"),
    ],
)
async def test_a_call_that_fails_for_good_ends_the_others_at_once(side_by_side, error, message):
    context = side_by_side(answers(mood=error, summary=None, tags=None), together=3)
    with pytest.raises(ItemFailedError) as raised:
        async with asyncio.timeout(10):
            await KIND.run(params(prompts=PROMPTS), ITEM, context)
    assert type(raised.value) is type(error)
    assert (raised.value.reason, raised.value.message) == (error.reason, message)
    assert context.cancelled_count == 2


async def test_a_refusal_of_the_job_comes_before_other_failures_of_its_item(side_by_side):
    busy = RetryableError("PROVIDER_ERROR", "", 2.0)
    refused = JobRefusedError("PROVIDER_KEY_REFUSED", "no", detail="their words")
    with pytest.raises(JobRefusedError) as raised:
        await KIND.run(params(prompts=PROMPTS), ITEM, side_by_side(answers(summary=busy, tags=refused), 3))
    assert (raised.value.reason, raised.value.message) == ("PROVIDER_KEY_REFUSED", "prompt tags: no")
    assert (raised.value.retry_after, raised.value.detail) == (2.0, "their words")


async def test_an_item_that_the_provider_refuses_keeps_the_providers_words(side_by_side):
    refused = ItemFailedError("PROVIDER_REFUSED_INPUT", "no", detail="their words")
    with pytest.raises(ItemFailedError) as raised:
        await KIND.run(params(prompts=PROMPTS), ITEM, side_by_side(answers(mood=refused), 3))
    assert raised.value.detail == "their words"


async def test_the_whole_jobs_failure_comes_before_that_of_the_item(side_by_side):
    fatal, refused = JobFailedError("MODEL_UNKNOWN", ""), ItemFailedError("PROVIDER_REFUSED_INPUT", "")
    context = side_by_side(answers(summary=refused, mood=fatal), together=3)
    with pytest.raises(JobFailedError):
        await KIND.run(params(prompts=PROMPTS), ITEM, context)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "params"),
        ({"prompt": PROMPT, "prompts": PROMPTS}, "params"),
        ({"prompt": "no field"}, "params.prompt"),
        ({"prompt": 5}, "params.prompt"),
        ({"prompts": {}}, "params.prompts"),
        ({"prompts": {f"p{n}": PROMPT for n in range(21)}}, "params.prompts"),
        ({"prompts": {"a": "{"}}, "params.prompts.a"),
        ({"prompts": {"a b": PROMPT}}, "params.prompts"),
        ({"prompts": {"": PROMPT}}, "params.prompts"),
        ({"prompts": {"x" * 65: PROMPT}}, "params.prompts"),
        ({"prompt": PROMPT, "system": ""}, "params.system"),
        ({"prompt": PROMPT, "model": ""}, "params.model"),
        ({"prompt": PROMPT, "max_output_tokens": 0}, "params.max_output_tokens"),
        ({"prompt": PROMPT, "max_output_tokens": 1.5}, "params.max_output_tokens"),
        ({"prompt": PROMPT, "temperature": 2.1}, "params.temperature"),
        ({"prompt": PROMPT, "temperature": "0"}, "params.temperature"),
        ({"prompt": PROMPT, "promt": PROMPT}, "params.promt"),
    ],
)
def test_a_wrong_field_is_named(fields, field):
    assert list(violations(**fields)) == [field]


def test_neither_or_both_of_prompt_and_prompts_has_its_own_message():
    assert violations() == {"params": "must have exactly one of prompt and prompts"}


def test_the_schema_says_that_there_is_exactly_one_way_of_asking():
    schema = json.loads(params_schema(KIND))
    assert schema["oneOf"] == [{"required": ["prompt"]}, {"required": ["prompts"]}]
    assert all(field["description"] for field in schema["properties"].values())
