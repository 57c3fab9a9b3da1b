"""A finished call of an item is not paid for again in the item's next attempt."""

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from pydantic import BaseModel

from headrace.kinds import Completion, Kind, Message, RetryableError, builtin_kinds
from services.stand_in import Fault, StandIn
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.concurrency import limit as concurrency_limit
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.items.attempts.attempt_responses import AttemptResponses, ItemResponses
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.attempts.item_runner import ItemRunner

PROMPTS = {"summary": "Summarise: {text}", "mood": "Mood of: {text}", "tags": "Tags of: {text}"}


class NoParams(BaseModel):
    pass


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    server = StandIn()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def provider(stand_in: StandIn) -> AsyncIterator[OpenAiProvider]:
    provider = OpenAiProvider(api_key="none", base_url=stand_in.base_url, timeout_seconds=5.0)
    yield provider
    await provider.close()


class Attempts:
    """Attempts of one item on one worker, one after another, as the scheduler makes them."""

    def __init__(self, provider: OpenAiProvider, kinds: Sequence[Kind] = (), **params: object) -> None:
        by_name = builtin_kinds() | {kind.name: kind for kind in kinds}
        admission = CallAdmission(provider, MemoryCooldowns(lambda: 0.0), 100)
        self.runner = ItemRunner(by_name, admission, "m", lambda: 1.0)
        kind = kinds[0].name if kinds else "llm.complete"
        self.spec = results_pb2.JobSpec(job_id="job-1", kind=kind, params=json.dumps(params))
        self.item = results_pb2.LeasedItem(item_index=4, input='{"text": "fine"}')

    async def make_one(self) -> ItemOutcome:
        outcome = await self.runner.run(self.spec, self.item)
        self.item.attempt_count = outcome.attempt_count
        self.item.usage.CopyFrom(outcome.usage)
        return outcome


async def test_named_prompts_are_answered_with_tokens_that_add_up_to_the_items(provider, stand_in):
    outcome = await Attempts(provider, prompts=PROMPTS).make_one()
    answers = json.loads(outcome.output)["answers"]
    assert list(answers) == list(PROMPTS)
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 1, "Tags of: fine": 1}
    for name in ("input_tokens", "output_tokens"):
        assert sum(answer[name] for answer in answers.values()) == getattr(outcome.usage, name) > 0
    assert outcome.usage.call_count == 3


async def test_only_the_prompt_that_failed_is_sent_again(provider, stand_in):
    attempts = Attempts(provider, prompts=PROMPTS)
    stand_in.behaviour.fail_when_contains = {"Mood": Fault(503)}
    assert (await attempts.make_one()).error.message.startswith("prompt mood: ")
    stand_in.behaviour.fail_when_contains = {}
    outcome = await attempts.make_one()
    assert list(json.loads(outcome.output)["answers"]) == list(PROMPTS)
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 2, "Tags of: fine": 1}
    assert (outcome.usage.call_count, outcome.attempt_count) == (4, 2)


async def test_responses_are_kept_over_several_failed_attempts_and_while_the_job_is_released(
    provider, stand_in, monkeypatch
):
    monkeypatch.setattr(concurrency_limit, "_HOLD_LATENCIES", 0)  # rejected calls would keep slots for 2 s
    attempts = Attempts(provider, prompts=PROMPTS)
    stand_in.behaviour.fail_when_contains = {"Mood": Fault(429)}
    for _ in range(3):
        assert (await attempts.make_one()).error.reason == "RATE_LIMITED"
        attempts.runner.forget("job-1")
    stand_in.behaviour.fail_when_contains = {}
    assert (await attempts.make_one()).error is None
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 4, "Tags of: fine": 1}


async def test_another_item_gets_responses_of_its_own(provider, stand_in):
    attempts = Attempts(provider, prompts=PROMPTS)
    stand_in.behaviour.fail_when_contains = {"Mood": Fault(503)}
    await attempts.make_one()
    stand_in.behaviour.fail_when_contains = {}
    attempts.item.item_index = 5
    assert (await attempts.make_one()).error is None
    assert stand_in.counts.prompts["Summarise: fine"] == 2


async def test_a_handler_that_requests_another_attempt_gets_fresh_responses(provider, stand_in):
    async def run(params, item, context):
        await context.complete([Message("user", "hello")])
        raise RetryableError("ANSWER_ODD", "odd")

    kind = Kind(name="theirs", description="", params_model=NoParams, run=run)
    attempts = Attempts(provider, [kind])
    await attempts.make_one()
    await attempts.make_one()
    assert stand_in.counts.prompts == {"hello": 2}


REQUEST = CompletionRequest("m", (Message("user", "hello"),))


def test_the_same_request_twice_in_an_attempt_has_two_responses_in_the_next_attempt_too():
    responses = ItemResponses()
    for text in ("a", "b"):
        assert responses.take(REQUEST) is None
        responses.add(REQUEST, Completion(text))
    responses.begin_attempt()
    assert [responses.take(REQUEST) for _ in range(3)] == [Completion("a"), Completion("b"), None]


def test_the_responses_of_the_oldest_item_are_dropped_beyond_the_memory_limit():
    kept = AttemptResponses(max_bytes=25_000)
    for index in range(3):
        responses = ItemResponses()
        responses.add(REQUEST, Completion("x" * 10_000))
        kept.keep("job-1", index, responses)
    assert [kept.take("job-1", index).take(REQUEST) is not None for index in range(3)] == [False, True, True]
