"""Jobs on the real stack: RabbitMQ, Redis, PostgreSQL, and every service as a process."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.testing.stack import TestStack
from headrace import JobState
from headrace.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def shared_stack(servers):
    """A stack without re-reads: gateways learn of changes only from the streams of workers."""
    stack = TestStack(servers, gateway_settings={"HEADRACE_GATEWAY_RESYNC_SECONDS": "0"})
    stack.start()
    yield stack
    stack.close()


@pytest.fixture
def hr(shared_stack, open_client):
    return open_client(shared_stack.gateway_target)


async def ended(client, job_id):
    """Returns the last event of a job's watch."""
    async with asyncio.timeout(60):
        return [event async for event in client.watch(job_id)][-1]


async def test_a_job_of_real_calls_is_classified_and_every_item_has_its_result(hr, postings, classify):
    job = await hr.submit("llm.classify", postings(200, "a"), classify)
    assert job.progress.total_count == 200
    event = await ended(hr, job.job_id)
    assert event.state is JobState.SUCCEEDED
    assert event.progress.succeeded_count == 200
    results = [result async for result in hr.results(job.job_id)]
    assert [result.item_index for result in results] == list(range(200))
    assert results[0].output == {"label": "Engineering"}
    assert all(result.attempt_count == 1 and result.usage.call_count == 1 for result in results)
    done = await hr.get(job.job_id)
    assert done.usage.call_count == 200
    assert done.usage.input_tokens == sum(result.usage.input_tokens for result in results) > 0
    assert done.create_time <= done.start_time <= done.finish_time


async def test_progress_is_pushed_many_times_and_in_order(hr):
    # The job has 16 chunks, which run one after the other.
    job = await hr.submit("noop", [{}] * 1000, {"sleep_ms": 150}, max_parallelism=1)
    snapshots = [event.job async for event in hr.watch(job.job_id) if event.job]
    seqs = [snapshot.seq for snapshot in snapshots]
    assert len(set(seqs)) >= 10
    assert seqs == sorted(seqs)
    assert snapshots[-1].state is JobState.SUCCEEDED


async def test_the_first_result_is_seen_within_200_ms_of_its_recording(hr):
    # The first item ends long before the others, so it is recorded alone.
    job = await hr.submit("noop", [{}] * 1000, {"sleep_ms": 100})
    seen_time = None
    async for event in hr.watch(job.job_id):
        if event.progress.succeeded_count >= 1:
            seen_time = datetime.now(UTC)
            break
    first = min([r.finish_time async for r in hr.results(job.job_id)])
    assert (seen_time - first).total_seconds() < 0.2
    await ended(hr, job.job_id)


async def test_results_are_read_while_the_job_runs_each_one_once(hr):
    job = await hr.submit("noop", [{}] * 500, {"sleep_ms": 100})
    async with asyncio.timeout(60):
        indexes = [result.item_index async for result in hr.results(job.job_id, follow=True)]
    assert sorted(indexes) == list(range(500))


async def test_a_cancelled_job_stops_calling_and_keeps_its_results(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True, latency_ms=300)
    job = await hr.submit("llm.classify", postings(2000, "c"), classify)
    async for event in hr.watch(job.job_id):
        if event.progress.succeeded_count:
            break
    cancelled = await hr.cancel(job.job_id)
    assert cancelled.state in (JobState.CANCELLING, JobState.CANCELLED)
    event = await ended(hr, job.job_id)
    assert event.state is JobState.CANCELLED
    assert event.progress.cancelled_count == 2000 - event.progress.succeeded_count > 0
    calls = await stand_in.calls()
    # After the same workers have finished a later job, there are still no more calls of the first.
    later = await hr.submit("llm.classify", postings(300, "later"), classify)
    await ended(hr, later.job_id)
    assert (await stand_in.calls())["call_count"] == calls["call_count"] + 300
    assert calls["call_count"] < 2000
    assert (await hr.cancel(job.job_id)).state is JobState.CANCELLED
    await stand_in.set(reset=True)


async def test_a_provider_that_refuses_items_in_a_row_fails_the_job(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True)
    job = await hr.submit("llm.classify", postings(1000, "f"), {**classify, "model": "unknown-model"})
    event = await ended(hr, job.job_id)
    assert event.state is JobState.FAILED
    assert event.job.error.reason == "MODEL_UNKNOWN"
    assert (await stand_in.calls())["call_count"] <= 400


async def test_a_lone_refusal_among_successes_is_attempted_again(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True, fail_next=[{"status": 401}, {"status": 404, "code": "model_not_found"}])
    job = await hr.submit("llm.classify", postings(20, "lone"), classify)
    event = await ended(hr, job.job_id)
    assert event.state is JobState.SUCCEEDED
    assert event.progress.succeeded_count == 20
    assert (await hr.get(job.job_id)).usage.call_count == 22
    await stand_in.set(reset=True)


async def test_a_job_of_few_items_that_are_refused_ends_by_its_items(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True, fail_all={"status": 401})
    job = await hr.submit("llm.classify", postings(1, "few"), classify)
    event = await ended(hr, job.job_id)
    assert (event.state, event.job.error.reason) == (JobState.FAILED, "TOO_MANY_FAILED_ITEMS")
    (result,) = [result async for result in hr.results(job.job_id)]
    assert (result.error.reason, result.attempt_count) == ("PROVIDER_KEY_REFUSED", 5)
    await stand_in.set(reset=True)


async def test_failed_calls_are_repeated_and_the_job_succeeds(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    broken = {"status": 200, "body": '{"choices": ['}
    faults = [{"status": 429, "retry_after": 1}, {"status": 500}, {"disconnect": True}, broken]
    await stand_in.set(reset=True, fail_next=faults)
    job = await hr.submit("llm.classify", postings(20, "r"), classify)
    event = await ended(hr, job.job_id)
    assert event.state is JobState.SUCCEEDED
    assert event.progress.succeeded_count == 20
    attempts = [result.attempt_count async for result in hr.results(job.job_id)]
    assert sum(attempts) == 24
    assert (await hr.get(job.job_id)).usage.call_count == 24


async def test_a_job_whose_time_is_up_stops_calling_and_keeps_its_results(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True, latency_ms=400)
    job = await hr.submit("llm.classify", postings(4000, "d"), classify, job_timeout=2)
    assert job.expire_time - job.create_time == timedelta(seconds=2)
    event = await ended(hr, job.job_id)
    assert (event.state, event.job.error.reason) == (JobState.EXPIRED, "JOB_TIMED_OUT")
    assert event.progress.cancelled_count == 4000 - event.progress.succeeded_count > 0
    assert len([result async for result in hr.results(job.job_id)]) == event.progress.succeeded_count
    calls = await stand_in.calls()
    later = await hr.submit("llm.classify", postings(100, "in time"), classify, job_timeout=60)
    assert (await ended(hr, later.job_id)).state is JobState.SUCCEEDED
    assert (await stand_in.calls())["call_count"] == calls["call_count"] + 100
    await stand_in.set(reset=True)


async def test_slow_calls_are_broken_off_and_an_item_that_stays_slow_fails_with_its_attempts(
    hr, shared_stack, open_stand_in, postings, classify
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    hang = {"hang": True}
    await stand_in.set(reset=True, fail_next=[hang], fail_when_contains={"Posting slow7:": hang})
    job = await hr.submit(
        "llm.classify", postings(20, "slow"), classify, call_timeout=1, item_timeout=timedelta(seconds=1.5)
    )
    event = await ended(hr, job.job_id)
    assert (event.state, event.progress.failed_count) == (JobState.SUCCEEDED, 1)
    results = [result async for result in hr.results(job.job_id)]
    slow = results[7]
    assert slow.error.reason == "ITEM_TIMED_OUT"
    assert slow.failed_attempts[-1].error == slow.error
    assert {each.error.reason for each in slow.failed_attempts[:-1]} == {"PROVIDER_TIMEOUT"}
    assert [each.attempt_number for each in slow.failed_attempts] == list(range(1, slow.attempt_count + 1))
    assert slow.usage.call_count == slow.attempt_count >= 2
    repeated = [result for result in results if result.failed_attempts and result is not slow]
    assert [[each.error.reason for each in result.failed_attempts] for result in repeated] in (
        [],  # the hanging call was a call of the slow item
        [["PROVIDER_TIMEOUT"]],
    )
    calls = await stand_in.calls()
    assert calls["broken_off_count"] == slow.attempt_count + len(repeated)
    await stand_in.set(reset=True)


async def test_a_job_with_too_many_failed_items_fails_and_says_why(hr, classify):
    items = [{"number": n} if n % 2 else {"number": n, "title": "Designer"} for n in range(40)]
    job = await hr.submit("llm.classify", items, classify, max_failed_ratio=0.1)
    event = await ended(hr, job.job_id)
    assert event.state is JobState.FAILED
    failed = [result async for result in hr.results(job.job_id, item_state="FAILED")]
    assert {result.error.reason for result in failed} == {"FIELD_MISSING"}


async def test_failed_items_are_listed_with_reasons_and_only_these_run_again(
    hr, shared_stack, classify, postings, open_stand_in, calls_of_postings
):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True, fail_next=[{"status": 400}] * 3)
    job = await hr.submit("llm.classify", postings(20, "dead"), classify)
    event = await ended(hr, job.job_id)
    assert (event.state, event.progress.failed_count) == (JobState.SUCCEEDED, 3)
    before = {result.item_index: result async for result in hr.results(job.job_id)}
    failed = [result async for result in hr.results(job.job_id, item_state="FAILED")]
    assert [result.error.reason for result in failed] == ["PROVIDER_REFUSED_INPUT"] * 3
    retried = await hr.retry(job.job_id)
    assert (retried.state.is_terminal, retried.progress.succeeded_count) == (False, 17)
    event = await ended(hr, job.job_id)
    assert event.state is JobState.SUCCEEDED
    assert (event.progress.succeeded_count, event.progress.failed_count) == (20, 0)
    after = {result.item_index: result async for result in hr.results(job.job_id)}
    assert list(after) == list(range(20))
    indexes = {result.item_index for result in failed}
    assert {i for i, result in before.items() if after[i] != result} == indexes
    calls = calls_of_postings(await stand_in.calls(), 20, "dead")
    assert {i for i, count in enumerate(calls) if count == 2} == indexes
    assert sum(calls) == 23


async def test_a_repeated_request_returns_the_first_job_and_other_content_is_refused(hr):
    first = await hr.submit("noop", [1, 2], request_id="the-same")
    again = await hr.submit("noop", [1, 2], request_id="the-same")
    assert again.job_id == first.job_id
    with pytest.raises(AlreadyExistsError) as error:
        await hr.submit("noop", [1, 2, 3], request_id="the-same")
    assert error.value.reason == "REQUEST_ID_REUSED"


async def test_a_tenant_sees_only_its_own_jobs(hr, shared_stack, open_client):
    other = open_client(shared_stack.gateway_target, tenant="somebody-else")
    job = await hr.submit("noop", [1])
    with pytest.raises(NotFoundError):
        await other.get(job.job_id)
    with pytest.raises(NotFoundError):
        await other.cancel(job.job_id)
    with pytest.raises(NotFoundError):
        await anext(other.watch(job.job_id))
    with pytest.raises(NotFoundError):
        await anext(other.results(job.job_id))
    assert job.job_id not in [j.job_id async for j in other.list()]


async def test_nul_and_emoji_reach_the_provider_as_they_were(hr, shared_stack, open_stand_in, classify):
    stand_in = open_stand_in(shared_stack.stand_in_url)
    await stand_in.set(reset=True)
    title = "Designer \x00 \N{GRINNING FACE} \u2028 end"
    job = await hr.submit("llm.classify", [{"number": "n", "title": title}], classify)
    assert (await ended(hr, job.job_id)).state is JobState.SUCCEEDED
    (prompt,) = (await stand_in.calls())["prompts"]
    assert title in prompt


async def test_an_item_over_1_mb_is_refused_by_name_and_nothing_is_stored(hr):
    before = [job.job_id async for job in hr.list()]
    with pytest.raises(InvalidArgumentError) as error:
        await hr.submit("noop", ["small", "x" * 2_000_000])
    assert error.value.reason == "ITEM_TOO_LARGE"
    assert "items[1]" in str(error.value.violations)
    assert [job.job_id async for job in hr.list()] == before


async def test_kinds_and_workers_are_listed(hr):
    assert {"llm.classify", "noop"} <= {kind.name for kind in await hr.kinds()}
    workers = await hr.workers()
    assert len([worker for worker in workers if worker.live]) == 2
