"""One attempt of an item: any error is in its outcome, and it never raises."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydantic import BaseModel

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, JobFailedError, Kind, RetryableError, builtin_kinds
from services.shared.prices import Price, Prices
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.concurrency import limit as concurrency_limit
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.items.attempts.item_runner import ItemRunner

CLASSIFY = json.dumps({"labels": ["a", "b"], "template": "{x}", "model": "m1"})


class ScriptedProvider:
    """Answers with texts, raises errors, in turn."""

    name = "scripted"

    def take_remaining(self, model):
        return None

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.models: list[str] = []

    async def complete(self, request, usage: jobs_pb2.Usage) -> Completion:
        usage.call_count += 1
        usage.input_tokens += 10
        self.models.append(request.model)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer)

    async def close(self) -> None:
        pass


class NoParams(BaseModel):
    pass


def kind_that(run, name: str = "theirs") -> Kind:
    return Kind(name=name, description="", params_model=NoParams, run=run, max_attempts=3)


def raising(error: Exception) -> Kind:
    async def run(params, item, context):
        raise error

    return kind_that(run)


def returning(output: object) -> Kind:
    async def run(params, item, context):
        return output

    return kind_that(run)


def runner_of(kinds: Sequence[Kind] = (), provider=None, rng=lambda: 1.0, cooldowns=None) -> ItemRunner:
    by_name = builtin_kinds() | {kind.name: kind for kind in kinds}
    admission = CallAdmission(provider or ScriptedProvider(), cooldowns or MemoryCooldowns(lambda: 0.0), 100)
    return ItemRunner(by_name, admission, "default-model", rng)


def spec(kind: str = "theirs", params: str = "{}", job_id: str = "job-1") -> results_pb2.JobSpec:
    return results_pb2.JobSpec(job_id=job_id, kind=kind, params=params)


def item(
    text: str = '{"x": 1}', attempt_count: int = 0, index: int = 0, **usage: int
) -> results_pb2.LeasedItem:
    return results_pb2.LeasedItem(
        item_index=index, input=text, attempt_count=attempt_count, usage=jobs_pb2.Usage(**usage)
    )


async def test_a_success_has_output_attempts_and_usage_of_all_attempts():
    runner = runner_of(provider=ScriptedProvider("b"))
    outcome = await runner.run(
        spec("llm.classify", CLASSIFY), item(attempt_count=1, call_count=2, input_tokens=5)
    )
    assert outcome.output == '{"label":"b"}'
    assert outcome.error is None
    assert outcome.retry_delay is None
    assert outcome.attempt_count == 2
    assert (outcome.usage.call_count, outcome.usage.input_tokens) == (3, 15)


async def test_the_item_it_was_given_is_not_changed():
    leased = item(call_count=1)
    await runner_of(provider=ScriptedProvider("b")).run(spec("llm.classify", CLASSIFY), leased)
    assert leased == item(call_count=1)


async def test_a_retryable_error_is_retried_after_a_growing_delay():
    runner = runner_of([raising(RetryableError("PROVIDER_ERROR", "busy"))])
    delays = [(await runner.run(spec(), item(attempt_count=attempts))).retry_delay for attempts in (0, 1)]
    assert delays == [0.5, 1.0]


async def test_the_last_attempt_is_final_with_the_last_error():
    runner = runner_of([raising(RetryableError("PROVIDER_ERROR", "busy"))])
    outcome = await runner.run(spec(), item(attempt_count=2))
    assert outcome.retry_delay is None
    assert (outcome.error.reason, outcome.error.message) == ("PROVIDER_ERROR", "busy")
    assert outcome.attempt_count == 3
    assert not outcome.job_failed


@pytest.mark.parametrize("luck", [0.0, 1.0])
async def test_a_delay_is_never_below_what_the_provider_asked_for(luck):
    runner = runner_of([raising(RetryableError("RATE_LIMITED", "", retry_after=9.0))], rng=lambda: luck)
    assert (await runner.run(spec(), item())).retry_delay == 9.0 + luck * 0.5


async def test_a_delay_grows_to_at_most_a_minute():
    runner = runner_of([raising(RetryableError("RATE_LIMITED", ""))])
    assert (await runner.run(spec(), item(attempt_count=140))).retry_delay == 60.0


async def test_attempts_that_a_rate_limit_turned_away_do_not_use_up_an_items_attempts(monkeypatch):
    monkeypatch.setattr(concurrency_limit, "_HOLD_LATENCIES", 0)  # rejected calls would keep slots for 2 s
    limited, broken = RetryableError("RATE_LIMITED", ""), RetryableError("BROKEN_ANSWER", "")
    provider = ScriptedProvider(*[limited] * 7, *[broken] * 5)
    runner = runner_of(provider=provider)
    classify = spec("llm.classify", CLASSIFY)
    outcomes = [await runner.run(classify, item(attempt_count=attempts)) for attempts in range(12)]
    assert [outcome.retry_delay is None for outcome in outcomes] == [False] * 11 + [True]


async def test_attempts_turned_away_on_another_worker_do_not_use_up_an_items_attempts_either():
    runner = runner_of([raising(RetryableError("PROVIDER_ERROR", ""))])
    given = item(attempt_count=6)
    for number in range(1, 7):
        given.failed_attempts.add(attempt_number=number, error={"reason": "RATE_LIMITED"})
    assert (await runner.run(spec(), given)).retry_delay is not None
    for failed in given.failed_attempts[:4]:
        failed.error.reason = "PROVIDER_ERROR"
    other = runner_of([raising(RetryableError("PROVIDER_ERROR", ""))])
    assert (await other.run(spec(), given)).retry_delay is None


async def test_an_item_that_a_rate_limit_always_turns_away_fails_eventually():
    runner = runner_of([raising(RetryableError("RATE_LIMITED", ""))])
    outcome = await runner.run(spec(), item(attempt_count=149))
    assert outcome.retry_delay is None
    assert outcome.error.reason == "RATE_LIMITED"


async def test_an_item_that_fails_for_good_is_not_retried():
    outcome = await runner_of([raising(ItemFailedError("TOO_ODD", "odd"))]).run(spec(), item())
    assert (outcome.error.reason, outcome.retry_delay, outcome.job_failed) == ("TOO_ODD", None, False)


async def test_a_fatal_error_is_the_whole_jobs():
    outcome = await runner_of([raising(JobFailedError("PROVIDER_KEY_REFUSED", "no"))]).run(spec(), item())
    assert outcome.job_failed
    assert outcome.error.reason == "PROVIDER_KEY_REFUSED"


async def test_an_unexpected_exception_fails_the_item_and_its_text_stays_out(caplog):
    caplog.set_level(logging.DEBUG)
    outcome = await runner_of([raising(KeyError("item content"))]).run(spec(), item('"item content"'))
    assert outcome.error.reason == "HANDLER_ERROR"
    assert "KeyError" in outcome.error.message
    assert "item content" not in outcome.error.message + caplog.text


async def test_a_cancelled_attempt_raises_the_cancellation():
    started = asyncio.Event()

    async def run(params, item, context):
        started.set()
        await asyncio.Event().wait()

    attempt = asyncio.create_task(runner_of([kind_that(run)]).run(spec(), item()))
    await started.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_calls_of_a_cancelled_attempt_are_counted_on_its_item():
    asked = asyncio.Event()

    async def run(params, item, context):
        await context.complete([])
        asked.set()
        await asyncio.Event().wait()

    leased = item(call_count=2)
    attempt = asyncio.create_task(runner_of([kind_that(run)], ScriptedProvider("yes")).run(spec(), leased))
    await asked.wait()
    assert leased.usage.call_count == 2
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (leased.usage.call_count, leased.usage.input_tokens) == (3, 10)


async def test_an_output_over_3_mb_fails_the_item():
    outcome = await runner_of([returning("ä" * (3 * 512 * 1024))]).run(spec(), item())
    assert outcome.error.reason == "OUTPUT_TOO_LARGE"
    outcome = await runner_of([returning("a" * (3 * 1024 * 1024 - 2))]).run(spec(), item())
    assert outcome.error is None


@pytest.mark.parametrize("output", [{1, 2}, object(), [2**70, float("nan")]])
async def test_an_output_that_is_not_json_fails_the_item(output):
    outcome = await runner_of([returning(output)]).run(spec(), item())
    assert outcome.error.reason == "HANDLER_ERROR"


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "7",
        '"\\u0000 🙂"',
        str(10**400),
        '{"a": 18446744073709551616}',
        '{"a": [-170141183460469231731]}',
    ],
)
async def test_an_item_is_passed_through_unchanged(text):
    async def run(params, item, context):
        return item

    outcome = await runner_of([kind_that(run)]).run(spec(), item(text))
    assert json.loads(outcome.output) == json.loads(text)


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, "[NaN, 1234567890123456789012]", "1" * 5000])
async def test_an_item_that_cannot_be_read_fails_alone(text):
    outcome = await runner_of([returning(1)]).run(spec(), item(text))
    assert outcome.error.reason == "INPUT_NOT_JSON"
    assert not outcome.job_failed


async def test_an_unknown_kind_fails_the_job():
    outcome = await runner_of().run(spec("llm.dream"), item())
    assert outcome.job_failed
    assert outcome.error.reason == "UNKNOWN_KIND"


async def test_invalid_params_fail_the_job():
    outcome = await runner_of().run(spec("llm.classify", '{"labels": []}'), item())
    assert outcome.job_failed
    assert outcome.error.reason == "INVALID_PARAMS"
    assert "params.labels" in outcome.error.message


async def test_params_are_read_once_until_the_job_is_forgotten():
    runner = runner_of([returning(1)])
    assert (await runner.run(spec(params="{}"), item())).error is None
    assert (await runner.run(spec(params="[]"), item())).error is None
    runner.forget("job-1")
    assert (await runner.run(spec(params="[]"), item())).error.reason == "INVALID_PARAMS"


async def test_a_job_without_a_model_uses_the_default_one():
    provider = ScriptedProvider("a", "a")
    runner = runner_of(provider=provider)
    await runner.run(spec("llm.classify", CLASSIFY, "job-1"), item())
    await runner.run(spec("llm.classify", '{"labels": ["a"], "template": "{x}"}', "job-2"), item())
    assert provider.models == ["m1", "default-model"]


async def test_retry_after_delays_its_item_only_and_uses_up_no_attempt():
    limited = RetryableError("RATE_LIMITED", "", retry_after=4.0)
    runner = runner_of(provider=ScriptedProvider(*[limited] * 3))
    leased = spec("llm.classify", CLASSIFY)
    for attempt_count in range(3):
        outcome = await runner.run(leased, item(attempt_count=attempt_count))
        assert outcome.retry_delay >= 4.0
        assert runner.wait_seconds(leased) == 0.0


async def test_a_cool_down_of_a_model_holds_up_its_jobs_only():
    cooldowns = MemoryCooldowns(lambda: 0.0)
    runner = runner_of(cooldowns=cooldowns)
    leased, other = (
        spec("llm.classify", CLASSIFY),
        spec("llm.classify", CLASSIFY.replace("m1", "m2"), "job-2"),
    )
    assert runner.wait_seconds(leased) == 0.0
    cooldowns.hold(f"{ScriptedProvider.name}/m1", 4.0)
    assert runner.wait_seconds(leased) == 4.0
    assert runner.wait_seconds(other) == 0.0
    assert runner.wait_seconds(spec("noop", "{}", "job-3")) == 0.0
    assert runner.wait_seconds(spec("unheard-of", "{}", "job-4")) == 0.0


async def test_a_handler_that_raises_a_cancellation_of_its_own_fails_its_item():
    async def run(params, item, context):
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner

    outcome = await runner_of([kind_that(run)]).run(spec(), item())
    assert outcome.error.reason == "HANDLER_ERROR"


@pytest.mark.parametrize(("asked", "waited"), [(float("inf"), 86_400.5), (float("nan"), 0.5), (-9.0, 0.5)])
async def test_a_wait_that_is_not_a_sensible_number_is_replaced(asked, waited):
    runner = runner_of([raising(RetryableError("BUSY", "", retry_after=asked))])
    assert (await runner.run(spec(), item())).retry_delay == waited


async def test_params_that_break_their_kind_fail_its_items_and_delay_no_other_job():
    class Breaking(BaseModel):
        def model_post_init(self, context):
            raise RuntimeError("a bug")

    async def run(params, item, context):
        return None

    runner = runner_of([Kind(name="theirs", description="", params_model=Breaking, run=run)])
    assert runner.wait_seconds(spec()) == 0.0
    assert (await runner.run(spec(), item())).error.reason == "HANDLER_ERROR"


@pytest.mark.parametrize(
    ("asked", "served", "cost"), [("flex", "flex", 5), ("flex", "", 5), ("flex", "default", 10)]
)
async def test_an_item_costs_the_service_tier_that_served_its_calls(asked, served, cost):
    class TieredProvider(ScriptedProvider):
        async def complete(self, request, usage):
            return replace(await super().complete(request, usage), service_tier=served)

    prices = Prices({"m": Price(1_000_000, 1_000_000, 0, {"flex": Price(500_000, 500_000, 0)})})
    admission = CallAdmission(TieredProvider("yes"), MemoryCooldowns(lambda: 0.0), 100)
    runner = ItemRunner(builtin_kinds(), admission, "m", prices=prices)
    params = json.dumps({"prompt": "{x}", "service_tier": asked})
    outcome = await runner.run(spec("llm.complete", params), item())
    assert outcome.usage.cost_micros == cost
