"""A value that a request cannot hold is an InvalidArgumentError with its argument, before any call."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable
from datetime import timedelta

import pytest

from headrace import Client, InvalidArgumentError, SyncClient

SURROGATE = "\ud800"

WRONG = [
    ("get", {"job_id": SURROGATE}, "job_id", "surrogates"),
    ("get", {"job_id": 5}, "job_id", "must be a str"),
    ("cancel", {"job_id": ["x"]}, "job_id", "must be a str"),
    ("pause", {"job_id": 5}, "job_id", "must be a str"),
    ("resume", {"job_id": 5}, "job_id", "must be a str"),
    ("retry", {"job_id": "x", "request_id": 5}, "request_id", "must be a str"),
    ("retry", {"job_id": "x", "reasons": [5]}, "reasons", "must be a str"),
    ("retry", {"job_id": "x", "item_indexes": 5}, "item_indexes", "must be an int"),
    ("watch", {"job_id": SURROGATE}, "job_id", "surrogates"),
    ("watch", {"job_id": "x", "resume_token": 5}, "resume_token", "must be a str"),
    ("results", {"job_id": 5}, "job_id", "must be a str"),
    ("results", {"job_id": 5, "follow": True}, "job_id", "must be a str"),
    ("results", {"job_id": "x", "item_state": 5}, "item_state", "one of SUCCEEDED, FAILED"),
    ("results", {"job_id": "x", "item_state": "lost", "follow": True}, "item_state", "one of SUCCEEDED"),
    ("list", {"page_size": 2**40}, "page_size", "32 bits"),
    ("list", {"page_size": "many"}, "page_size", "must be an int"),
    ("list", {"kind": SURROGATE}, "kind", "surrogates"),
    ("list", {"states": [5]}, "states", "one of PENDING"),
    ("list", {"states": ["running", "asleep"]}, "states", "one of PENDING"),
    ("list", {"states": "running"}, "states", "must be a list"),
    ("list", {"states": 5}, "states", "must be a list"),
    ("submit", {"kind": 5}, "kind", "must be a str"),
    ("submit", {"kind": SURROGATE}, "kind", "surrogates"),
    ("submit", {"request_id": 5}, "request_id", "must be a str"),
    ("submit", {"max_parallelism": 2**40}, "max_parallelism", "32 bits"),
    ("submit", {"max_parallelism": 1.5}, "max_parallelism", "must be an int"),
    ("submit", {"max_failed_ratio": "x"}, "max_failed_ratio", "must be a number"),
    ("submit", {"max_failed_ratio": 10**400}, "max_failed_ratio", "must be a number"),
    ("submit", {"job_timeout": "90s"}, "job_timeout", "a timedelta or a number of seconds"),
    ("submit", {"job_timeout": True}, "job_timeout", "a timedelta or a number of seconds"),
    ("submit", {"item_timeout": math.nan}, "item_timeout", "a timedelta or a number of seconds"),
    ("submit", {"item_timeout": 10**400}, "item_timeout", "a timedelta or a number of seconds"),
    ("submit", {"call_timeout": timedelta.max}, "call_timeout", "a timedelta or a number of seconds"),
    ("submit", {"call_timeout": {"seconds": 5}}, "call_timeout", "a timedelta or a number of seconds"),
    ("submit", {"cache_responses": "yes"}, "cache_responses", "True or False"),
    ("submit", {"job_class": 5}, "job_class", "one of INTERACTIVE"),
    ("submit", {"job_class": ["bulk"]}, "job_class", "one of INTERACTIVE"),
]


def arguments(call: str, given: dict) -> dict:
    return {"kind": "noop", "items": [1], **given} if call == "submit" else given


async def outcome(answer: Awaitable | AsyncGenerator) -> object:
    if isinstance(answer, AsyncGenerator):
        return [value async for value in answer]
    return await answer


@pytest.mark.parametrize(("call", "given", "argument", "expected"), WRONG)
async def test_client_names_the_argument_and_what_is_expected(
    client, gateway, call, given, argument, expected
):
    with pytest.raises(InvalidArgumentError) as caught:
        await outcome(getattr(client, call)(**arguments(call, given)))
    (violation,) = caught.value.violations
    assert violation.field == argument
    assert expected in violation.description
    assert argument in caught.value.message
    assert gateway.requests == []


@pytest.mark.parametrize(("call", "given", "argument", "expected"), WRONG)
async def test_sync_client_names_the_argument_and_what_is_expected(
    sync_client, gateway, call, given, argument, expected
):
    def use() -> object:
        answer = getattr(sync_client, call)(**arguments(call, given))
        return answer if call in ("submit", "get", "cancel", "pause", "resume", "retry") else list(answer)

    with pytest.raises(InvalidArgumentError) as caught:
        await asyncio.to_thread(use)
    (violation,) = caught.value.violations
    assert violation.field == argument
    assert expected in violation.description
    assert gateway.requests == []


async def test_every_wrong_argument_is_named_at_once(client):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit(
            5, [1], request_id=6, max_failed_ratio="x", max_parallelism=2**40, job_timeout="x"
        )
    named = {violation.field for violation in caught.value.violations}
    assert named == {"kind", "request_id", "max_failed_ratio", "max_parallelism", "job_timeout"}


@pytest.mark.parametrize("client_class", [Client, SyncClient])
@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("watch", {"job_id": 5}),
        ("results", {"job_id": 5}),
        ("results", {"job_id": 5, "follow": True}),
        ("list", {"kind": 5}),
    ],
)
def test_a_wrong_argument_of_an_iteration_is_refused_at_the_call(client_class, call, given):
    with pytest.raises(InvalidArgumentError):
        getattr(client_class(), call)(**given)


def test_a_refusal_holds_nothing_of_what_was_given():
    with pytest.raises(InvalidArgumentError) as caught:
        Client().watch(f"secret{SURROGATE}")
    assert "secret" not in f"{caught.value} {caught.value.violations}"
    assert caught.value.__cause__ is caught.value.__context__ is None
