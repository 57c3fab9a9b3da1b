"""A job fails after the refused calls of five items in a row, and not sooner."""

import json

import pytest
from pydantic import BaseModel

from headrace.kinds import Completion, ItemFailedError, JobRefusedError, Kind, RetryableError, builtin_kinds
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.items.attempts.error_message import error_message
from services.worker.items.attempts.item_runner import ItemRunner
from services.worker.items.attempts.refused_jobs import RefusedJobs

COMPLETE = json.dumps({"prompt": "{x}", "model": "m1"})
PROMPTS = json.dumps({"prompts": {"a": "A {x}", "b": "B {x}"}, "model": "m1"})
REFUSED, BUSY = JobRefusedError("PROVIDER_KEY_REFUSED", "no"), RetryableError("PROVIDER_ERROR", "busy")
BAD_INPUT = ItemFailedError("PROVIDER_REFUSED_INPUT", "bad")


class NoParams(BaseModel):
    pass


class ScriptedProvider:
    """Answers or raises in turn, the last one for ever."""

    name = "scripted"

    def __init__(self, *answers):
        self.answers = list(answers)

    def take_remaining(self, model):
        return None

    async def complete(self, request, usage):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer)


def runner_of(*answers, kinds=()):
    admission = CallAdmission(ScriptedProvider(*answers), MemoryCooldowns(), 100)
    return ItemRunner(builtin_kinds() | {kind.name: kind for kind in kinds}, admission, "m", lambda: 0.0)


def spec(job_id="j", params=COMPLETE, kind="llm.complete"):
    return results_pb2.JobSpec(job_id=job_id, kind=kind, params=params)


async def attempt(runner, index, attempt_count=0, **job):
    item = results_pb2.LeasedItem(item_index=index, input='{"x": 1}', attempt_count=attempt_count)
    return await runner.run(spec(**job), item)


async def test_the_fifth_item_in_a_row_fails_the_job_with_the_reason():
    runner = runner_of(REFUSED)
    outcomes = [await attempt(runner, index) for index in range(5)]
    assert [outcome.job_failed for outcome in outcomes] == [False] * 4 + [True]
    assert [outcome.retry_delay is None for outcome in outcomes] == [False] * 4 + [True]
    assert outcomes[-1].error.reason == "PROVIDER_KEY_REFUSED"


async def test_a_lone_refusal_is_retried_and_counts_as_an_attempt():
    runner = runner_of(REFUSED, "fine")
    outcome = await attempt(runner, 0)
    assert (outcome.retry_delay, outcome.attempt_count, outcome.job_failed) == (0.0, 1, False)
    assert outcome.failed_attempts[0].error.reason == "PROVIDER_KEY_REFUSED"
    assert (await attempt(runner, 0, 1)).output is not None


async def test_a_success_between_starts_the_count_anew():
    runner = runner_of(*[REFUSED] * 4, "fine", *[REFUSED] * 4, "fine", *[REFUSED] * 5)
    outcomes = [await attempt(runner, index) for index in range(15)]
    assert [outcome.job_failed for outcome in outcomes] == [False] * 14 + [True]


@pytest.mark.parametrize("between", [BUSY, BAD_INPUT, RetryableError("RATE_LIMITED", "")])
async def test_other_failures_between_do_not(between):
    runner = runner_of(*[REFUSED] * 4, between, REFUSED)
    assert [(await attempt(runner, index)).job_failed for index in range(6)] == [False] * 5 + [True]


@pytest.mark.parametrize("item_count", [1, 2, 4])
async def test_a_job_of_fewer_items_ends_by_its_items(item_count):
    runner = runner_of(REFUSED)
    outcomes = [
        await attempt(runner, index, attempts) for attempts in range(5) for index in range(item_count)
    ]
    assert not any(outcome.job_failed for outcome in outcomes)
    assert [outcome.retry_delay is None for outcome in outcomes] == (
        [False] * 4 * item_count + [True] * item_count
    )
    assert outcomes[-1].error.reason == "PROVIDER_KEY_REFUSED"


async def test_an_item_that_is_always_refused_does_not_fail_the_job_of_others():
    runner = runner_of(*["fine"] * 10, REFUSED)
    for index in range(10):
        await attempt(runner, index)
    outcomes = [await attempt(runner, 10, attempts) for attempts in range(5)]
    assert not any(outcome.job_failed for outcome in outcomes)
    assert outcomes[-1].retry_delay is None


async def test_each_job_has_a_count_of_its_own():
    runner = runner_of(REFUSED)
    outcomes = [await attempt(runner, index, job_id=f"job-{index % 3}") for index in range(12)]
    assert not any(outcome.job_failed for outcome in outcomes)
    assert (await attempt(runner, 12, job_id="job-0")).job_failed


async def test_refusals_of_different_reasons_count_together():
    unknown = JobRefusedError("MODEL_UNKNOWN", "")
    runner = runner_of(REFUSED, unknown, REFUSED, unknown, unknown)
    outcomes = [await attempt(runner, index) for index in range(5)]
    assert outcomes[-1].job_failed
    assert outcomes[-1].error.reason == "MODEL_UNKNOWN"


async def test_a_forgotten_job_starts_anew():
    runner = runner_of(REFUSED)
    for index in range(4):
        await attempt(runner, index)
    runner.forget("j")
    assert not (await attempt(runner, 4)).job_failed


async def test_one_successful_call_of_an_item_with_several_counts_as_a_success():
    runner = runner_of(*["fine", REFUSED] * 10)
    outcomes = [await attempt(runner, index, params=PROMPTS) for index in range(6)]
    assert {outcome.error.reason for outcome in outcomes} == {"PROVIDER_KEY_REFUSED"}
    failed = [outcome.job_failed for outcome in outcomes]
    assert not any(failed)


async def test_a_refusal_comes_before_other_failures_of_an_item_with_several_calls():
    runner = runner_of(*[BUSY, REFUSED] * 5)
    outcomes = [await attempt(runner, index, params=PROMPTS) for index in range(5)]
    assert outcomes[0].error.reason == "PROVIDER_KEY_REFUSED"
    assert outcomes[-1].job_failed


async def test_a_kind_with_a_client_of_its_own_can_refuse_the_job_too():
    script = [REFUSED] * 4 + ["fine"] + [REFUSED] * 5

    async def run(params, item, context):
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kind = Kind(name="own", description="", params_model=NoParams, run=run)
    runner = runner_of("unused", kinds=[kind])
    outcomes = [await attempt(runner, index, kind="own", params="{}") for index in range(10)]
    assert [outcome.job_failed for outcome in outcomes] == [False] * 9 + [True]


def test_a_job_that_failed_and_is_retried_starts_anew():
    jobs = RefusedJobs()
    assert [jobs.note_refusal("j", index) for index in range(10)] == ([False] * 4 + [True]) * 2


def test_repeated_refusals_of_one_item_count_once():
    jobs = RefusedJobs()
    assert [jobs.note_refusal("j", index) for index in (1, 1, 2, 2, 3, 3, 4, 4, 5)] == [False] * 8 + [True]


def test_the_providers_words_are_reported():
    message = error_message(RetryableError("PROVIDER_ERROR", "busy", detail="their words"))
    assert (message.reason, message.message, message.detail) == ("PROVIDER_ERROR", "busy", "their words")
