"""The time that an item has: what uses it up, and who is told what when it is used up."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration
from pydantic import BaseModel

from deploy.local.stand_in import Fault, StandIn
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobFailedError, Kind, Message, RetryableError
from services.stubs.results.v1 import results_pb2
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.provider import OpenAiProvider
from services.worker.items.item_runner import ItemRunner

SHORT = Duration(nanos=20_000_000)
LONG = Duration(seconds=3_600)


class NoParams(BaseModel):
    pass


class NoProvider:
    """Answers no call."""

    name = "none"

    def take_remaining(self, model):
        return None

    async def complete(self, request, usage):
        usage.call_count += 1
        usage.input_tokens += 10
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


def runner_of(run, provider=None) -> ItemRunner:
    kind = Kind(name="theirs", description="", params_model=NoParams, run=run, max_attempts=3)
    return ItemRunner(
        {"theirs": kind}, provider or NoProvider(), "m", MemoryCooldowns(lambda: 0.0), lambda: 1.0
    )


def spec(item_timeout: Duration | None = SHORT, **fields) -> results_pb2.JobSpec:
    return results_pb2.JobSpec(
        job_id="job-1", kind="theirs", params="{}", item_timeout=item_timeout, **fields
    )


def item(**fields) -> results_pb2.LeasedItem:
    return results_pb2.LeasedItem(input="1", **fields)


async def ask_for_ever(params, item, context):
    await context.complete([Message("user", "?")])


def raising(error: BaseException, *, when_broken_off: bool = False):
    async def run(params, item, context):
        try:
            if when_broken_off:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        raise error

    return run


async def test_an_item_whose_time_is_used_up_fails_with_what_it_has_spent():
    outcome = await runner_of(ask_for_ever).run(spec(), item(usage=jobs_pb2.Usage(call_count=2)))
    assert (outcome.error.reason, outcome.retry_delay, outcome.job_failed) == ("ITEM_TIMED_OUT", None, False)
    assert "0.02 s" in outcome.error.message
    assert (outcome.usage.call_count, outcome.usage.input_tokens, outcome.attempt_count) == (3, 10, 1)
    assert outcome.worked_seconds >= 0.02


async def test_the_time_of_earlier_attempts_counts_and_nothing_is_begun_without_any_left():
    begun = []

    async def run(params, item, context):
        begun.append(item)

    outcome = await runner_of(run).run(spec(LONG), item(attempt_count=1, work_time=LONG))
    assert outcome.error.reason == "ITEM_TIMED_OUT"
    assert (outcome.attempt_count, begun) == (2, [])


async def test_a_failed_try_is_made_again_with_what_is_left():
    runner = runner_of(raising(RetryableError("BUSY", "later")))
    outcome = await runner.run(spec(LONG), item(work_time=Duration(seconds=3_590)))
    assert outcome.retry_delay == 0.5
    assert 3_590 <= outcome.worked_seconds < 3_600


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RetryableError("BUSY", "later"), "ITEM_TIMED_OUT"),
        (ItemFailedError("ODD", "odd"), "ITEM_TIMED_OUT"),
        (KeyError("x"), "ITEM_TIMED_OUT"),
        (JobFailedError("PROVIDER_KEY_REFUSED", "no"), "PROVIDER_KEY_REFUSED"),
    ],
)
async def test_what_a_handler_makes_of_its_end_does_not_hide_that_the_time_is_used_up(error, reason):
    outcome = await runner_of(raising(error, when_broken_off=True)).run(spec(), item())
    assert (outcome.error.reason, outcome.retry_delay) == (reason, None)


async def test_a_success_that_comes_all_the_same_is_taken():
    async def run(params, item, context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "paid for"

    assert (await runner_of(run).run(spec(), item())).output == '"paid for"'


@pytest.mark.parametrize("error", [TimeoutError(), asyncio.CancelledError()])
async def test_a_handler_that_raises_such_an_error_itself_has_not_used_up_its_time(error):
    outcome = await runner_of(raising(error)).run(spec(LONG), item())
    assert outcome.error.reason == "HANDLER_ERROR"


@pytest.mark.parametrize("item_timeout", [LONG, SHORT])
async def test_an_attempt_that_is_broken_off_from_outside_has_no_outcome(item_timeout):
    started, swallowed = asyncio.Event(), asyncio.Event()

    async def run(params, item, context):
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # by its own time, where that is short
            swallowed.set()
            await asyncio.Event().wait()

    attempt = asyncio.create_task(runner_of(run).run(spec(item_timeout), item()))
    await (swallowed if item_timeout is SHORT else started).wait()
    attempt.cancel()
    if item_timeout is LONG:
        await swallowed.wait()
        attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_the_time_of_an_attempt_that_is_broken_off_counts():
    started = asyncio.Event()

    async def run(params, item, context):
        started.set()
        await asyncio.Event().wait()

    leased = item(work_time=Duration(seconds=5))
    attempt = asyncio.create_task(runner_of(run).run(spec(LONG), leased))
    await started.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert 5_000_000 < leased.work_time.ToMicroseconds() < 65_000_000


async def test_calls_of_an_item_whose_time_is_used_up_are_closed_at_the_provider():
    stand_in = StandIn()
    await stand_in.start()
    stand_in.behaviour.fail_all = Fault(hang=True)
    provider = OpenAiProvider(base_url=stand_in.base_url)

    async def run(params, item, context):
        await asyncio.gather(*(context.complete([Message("user", str(number))]) for number in range(3)))

    outcome = await runner_of(run, provider).run(spec(Duration(nanos=500_000_000)), item())
    async with asyncio.timeout(5):
        while stand_in.counts.in_flight_count:
            await asyncio.sleep(0.001)
    assert stand_in.counts.broken_off_count == outcome.usage.call_count == 3
    assert outcome.error.reason == "ITEM_TIMED_OUT"
    await provider.close()
    await stand_in.stop()


async def test_time_that_a_call_waits_for_its_turn_is_not_the_calls():
    stand_in = StandIn()
    await stand_in.start()
    stand_in.behaviour.fail_next = [Fault(hang=True)]
    provider = OpenAiProvider(base_url=stand_in.base_url)
    faults = []

    async def ask(context, number):
        try:
            await context.complete([Message("user", str(number))])
        except RetryableError as error:
            faults.append(error.reason)

    async def run(params, item, context):
        await asyncio.gather(ask(context, 1), ask(context, 2))
        return "done"

    kind = Kind(name="theirs", description="", params_model=NoParams, run=run)
    runner = ItemRunner({"theirs": kind}, provider, "m", MemoryCooldowns(lambda: 0.0), call_limit=1)
    # The second call waits for as long as the first one may take.
    outcome = await runner.run(spec(None, call_timeout=Duration(nanos=400_000_000)), item())
    assert (outcome.output, faults) == ('"done"', ["PROVIDER_TIMEOUT"])
    await provider.close()
    await stand_in.stop()


async def test_failed_attempts_are_kept_with_their_number_and_reason():
    earlier = [jobs_pb2.FailedAttempt(attempt_number=1, error=jobs_pb2.Error(reason="BUSY", message="later"))]
    runner = runner_of(raising(RetryableError("BROKEN_ANSWER", "x" * 5_000)))
    outcome = await runner.run(spec(None), item(attempt_count=1, failed_attempts=earlier))
    assert [(each.attempt_number, each.error.reason) for each in outcome.failed_attempts] == [
        (1, "BUSY"),
        (2, "BROKEN_ANSWER"),
    ]
    assert len(outcome.failed_attempts[1].error.message) == 300


async def test_a_success_has_the_attempts_before_it_and_ten_are_kept():
    async def run(params, item, context):
        return 1

    earlier = [jobs_pb2.FailedAttempt(attempt_number=number) for number in range(1, 11)]
    leased = item(attempt_count=10, failed_attempts=earlier)
    assert list((await runner_of(run).run(spec(None), leased)).failed_attempts) == earlier
    failed = await runner_of(raising(ItemFailedError("ODD", ""))).run(spec(None), leased)
    assert [each.attempt_number for each in failed.failed_attempts] == list(range(2, 12))
