"""The item_timeout of an item: what counts towards it, and how an item ends when it is used up."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration
from pydantic import BaseModel

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobFailedError, Kind, Message, RetryableError
from services.stand_in import Fault, StandIn
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.provider import OpenAiProvider
from services.worker.items.attempts.item_runner import ItemRunner

SHORT = Duration(nanos=20_000_000)
LONG = Duration(seconds=3_600)


class NoParams(BaseModel):
    pass


class NoProvider:
    """Never answers a call."""

    name = "none"

    def take_remaining(self, model):
        return None

    async def complete(self, request, usage):
        usage.call_count += 1
        usage.input_tokens += 10
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


def runner_of(run, provider=None, call_limit=100) -> ItemRunner:
    kind = Kind(name="theirs", description="", params_model=NoParams, run=run, max_attempts=3)
    admission = CallAdmission(provider or NoProvider(), MemoryCooldowns(lambda: 0.0), call_limit)
    return ItemRunner({"theirs": kind}, admission, "m", lambda: 1.0)


def spec(item_timeout: Duration | None = SHORT, **options) -> results_pb2.JobSpec:
    options = jobs_pb2.JobOptions(item_timeout=item_timeout, **options)
    return results_pb2.JobSpec(job_id="job-1", kind="theirs", params="{}", options=options)


def item(**fields) -> results_pb2.LeasedItem:
    return results_pb2.LeasedItem(input="1", **fields)


async def ask_forever(params, item, context):
    await context.complete([Message("user", "?")])


def raising(error: BaseException, *, when_cancelled: bool = False):
    async def run(params, item, context):
        try:
            if when_cancelled:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        raise error

    return run


async def test_an_item_whose_time_is_used_up_fails_with_what_it_has_spent():
    outcome = await runner_of(ask_forever).run(spec(), item(usage=jobs_pb2.Usage(call_count=2)))
    assert (outcome.error.reason, outcome.retry_delay, outcome.job_failed) == ("ITEM_TIMED_OUT", None, False)
    assert "0.02 s" in outcome.error.message
    assert (outcome.usage.call_count, outcome.usage.input_tokens, outcome.attempt_count) == (3, 10, 1)
    assert outcome.worked_seconds >= 0.02


async def test_the_time_of_earlier_attempts_counts_and_nothing_starts_without_any_left():
    begun = []

    async def run(params, item, context):
        begun.append(item)

    outcome = await runner_of(run).run(spec(LONG), item(attempt_count=1, work_time=LONG))
    assert outcome.error.reason == "ITEM_TIMED_OUT"
    assert (outcome.attempt_count, begun) == (2, [])


async def test_a_failed_attempt_is_retried_in_the_rest_of_the_time():
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
async def test_an_error_raised_by_a_timed_out_handler_does_not_hide_the_timeout(error, reason):
    outcome = await runner_of(raising(error, when_cancelled=True)).run(spec(), item())
    assert (outcome.error.reason, outcome.retry_delay) == (reason, None)


async def test_a_late_success_is_accepted():
    async def run(params, item, context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "paid for"

    assert (await runner_of(run).run(spec(), item())).output == '"paid for"'


@pytest.mark.parametrize("error", [TimeoutError(), asyncio.CancelledError()])
async def test_a_handler_that_raises_such_an_error_itself_has_not_timed_out(error):
    outcome = await runner_of(raising(error)).run(spec(LONG), item())
    assert outcome.error.reason == "HANDLER_ERROR"


@pytest.mark.parametrize("item_timeout", [LONG, SHORT])
async def test_an_attempt_that_is_cancelled_from_outside_has_no_outcome(item_timeout):
    started, swallowed = asyncio.Event(), asyncio.Event()

    async def run(params, item, context):
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # by its own timeout, if that is short
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


async def test_the_time_of_a_cancelled_attempt_counts():
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


async def test_time_that_a_call_waits_for_its_turn_does_not_count_for_the_call():
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

    runner = runner_of(run, provider, call_limit=1)
    # The second call waits as long as the first one may take.
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
