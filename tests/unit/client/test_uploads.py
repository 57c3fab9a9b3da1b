"""Items that do not fit in one request, or that arrive over time, are uploaded."""

import asyncio

import grpc
import pytest

from headrace import (
    AbortedError,
    AlreadyExistsError,
    Client,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    UnavailableError,
)
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

LARGE = "x" * 50_000
BROKEN = grpc.StatusCode.UNAVAILABLE


def rows(count=200):
    for number in range(count):
        yield f"{number} {LARGE}"


async def stream(items, gate=None):
    for item in items:
        yield item
    if gate is not None:
        await gate.wait()


def texts(items):
    return [f'"{item}"' for item in items]


def batches(gateway):
    return [r for r in gateway.requests_of(gateway_pb2.AppendItemsRequest) if r.items]


def streams(gateway):
    return [r for r in gateway.requests_of(gateway_pb2.AppendItemsRequest) if r.job_id]


def openings(gateway):
    return gateway.requests_of(gateway_pb2.SubmitJobRequest)


@pytest.fixture
def upload(gateway, job_id):
    """The upload of the test's job, after it is open."""
    return lambda: gateway.uploads[job_id]


async def test_more_than_one_request_can_carry_is_uploaded_in_batches(client, gateway, upload, job_id):
    job = await client.submit("noop", rows(), {"sleep_ms": 1}, request_id="r", max_parallelism=2)
    assert (job.job_id, job.state, job.progress.total_count) == (job_id, "RUNNING", 200)
    assert upload().items == texts(rows())
    assert upload().closed
    (opening,) = openings(gateway)
    assert (opening.upload, len(opening.items), opening.request_id) == (True, 0, "r")
    assert (opening.params, opening.options.max_parallelism) == ('{"sleep_ms":1}', 2)
    assert max(batch.ByteSize() for batch in batches(gateway)) <= 256 * 1024


async def test_a_list_is_uploaded_too(client, upload):
    await client.submit("noop", list(rows(100)))
    assert upload().items == texts(rows(100))


async def test_more_than_100_000_items_are_uploaded(client, gateway, upload):
    await client.submit("noop", range(100_000))
    assert not openings(gateway)[0].upload
    await client.submit("noop", range(100_001))
    assert upload().items == [str(number) for number in range(100_001)]
    assert max(len(batch.items) for batch in batches(gateway)) == 1000


async def test_an_item_of_1_mb_is_uploaded_in_a_batch_of_its_own(client, gateway, upload):
    item = "y" * (1024 * 1024 - 2)
    await client.submit("noop", [*["a"] * 10, item, *rows(100), item, "b"])
    assert len(upload().items) == 113
    assert [len(batch.items) for batch in batches(gateway) if batch.ByteSize() > 1_000_000] == [1, 1]


async def test_items_that_come_over_time_are_stored_while_others_are_awaited(client, gateway, upload):
    gate = asyncio.Event()
    opened = []
    submit = asyncio.create_task(client.submit("noop", stream([1, 2, 3], gate), on_open=opened.append))
    await asyncio.wait_for(gateway.arrived.wait(), 10)
    assert upload().items == ["1", "2", "3"]
    assert opened[0].state == "UPLOADING"
    assert not submit.done()
    gate.set()
    job = await asyncio.wait_for(submit, 10)
    assert job.progress.total_count == 3
    assert upload().closed


async def test_the_same_items_make_the_same_opening_whether_they_come_at_once_or_not(client, gateway):
    async def slowly():
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    for source in (stream(range(3)), slowly()):
        await client.submit("noop", source, request_id="r")
    first, second = openings(gateway)
    assert first.upload
    assert second == first


async def test_an_empty_stream_opens_no_upload(client, gateway):
    gateway.failures = [InvalidArgumentError("items must not be empty")]
    with pytest.raises(InvalidArgumentError):
        await client.submit("noop", stream([]))
    assert not openings(gateway)[0].upload


@pytest.mark.parametrize("lose_answers", [False, True])
@pytest.mark.parametrize("after", [0, 1, 7])
async def test_a_broken_upload_continues_after_the_stored_items(client, gateway, upload, after, lose_answers):
    gateway.break_upload(after=after, lose_answers=lose_answers)
    gateway.break_upload(grpc.StatusCode.CANCELLED, after=after, lose_answers=lose_answers)
    read = []
    await client.submit("noop", (read.append(item) or item for item in rows()))
    assert upload().items == texts(rows())
    assert len(read) == 200
    assert len(streams(gateway)) == 3


async def test_nothing_that_is_stored_is_sent_again(client, gateway, upload):
    gateway.break_upload(after=5, lose_answers=True)
    await client.submit("noop", rows())
    stored = 0
    for batch in batches(gateway):
        assert batch.first_item_index == stored
        stored += len(batch.items)
    assert upload().items == texts(rows())


async def test_a_batch_that_is_stored_in_part_is_sent_from_there(client, gateway, upload, make_job):
    gate = asyncio.Event()
    gateway.break_upload(gate=gate)
    submit = asyncio.create_task(client.submit("noop", rows(100)))
    while not gateway.uploads:
        await client.kinds()
    upload().items.extend(texts(rows(3)))
    gateway.append_streams.clear()
    gate.set()
    await asyncio.wait_for(submit, 10)
    assert upload().items == texts(rows(100))


async def test_a_break_after_finish_does_not_finish_another_total(client, gateway, upload):
    gateway.break_upload(after=4, lose_answers=True)  # three batches and finish
    job = await client.submit("noop", stream(rows(12)))
    assert job.progress.total_count == 12
    assert upload().closed


async def test_another_process_sends_only_the_missing_items(gateway, upload):
    async with Client(gateway.target) as first:
        gate = asyncio.Event()
        submit = asyncio.create_task(first.submit("noop", stream(rows(30), gate), request_id="r"))
        await asyncio.wait_for(gateway.arrived.wait(), 10)
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
    await asyncio.wait_for(gateway.append_ended.wait(), 10)
    stored = len(upload().items)
    assert 0 < stored <= 30
    gateway.requests.clear()
    async with Client(gateway.target) as second:
        await second.submit("noop", stream(rows(40)), request_id="r")
    assert upload().items == texts(rows(40))
    assert sum(len(batch.items) for batch in batches(gateway)) == 40 - stored


async def test_repeating_a_closed_upload_sends_no_item_and_returns_the_job(client, gateway, job_id):
    await client.submit("noop", rows(), request_id="r")
    gateway.requests.clear()
    job = await client.submit("noop", rows(), request_id="r")
    assert job.job_id == job_id
    assert batches(gateway) == []


@pytest.mark.parametrize("count", [150, 201, 300])
async def test_repeating_a_closed_upload_with_another_number_of_items_is_an_error(client, gateway, count):
    await client.submit("noop", rows(200), request_id="r")
    gateway.requests.clear()
    with pytest.raises(FailedPreconditionError) as caught:
        await client.submit("noop", rows(count), request_id="r")
    assert caught.value.reason == "UPLOAD_TOTAL"
    assert batches(gateway) == []


async def test_a_reused_request_id_is_an_error_of_an_upload_too(client, gateway):
    gateway.failures = [AlreadyExistsError("other content")]
    with pytest.raises(AlreadyExistsError):
        await client.submit("noop", rows(), request_id="r")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
async def test_a_job_that_ends_while_items_arrive_is_returned_as_it_is(
    client, gateway, upload, job_id, state
):
    async def items():
        yield 1
        await gateway.arrived.wait()
        upload().job.state = f"JOB_STATE_{state}"
        upload().job.error.CopyFrom(jobs_pb2.Error(reason="WHY", message="so"))
        while True:
            yield 2
            await asyncio.sleep(0)

    job = await asyncio.wait_for(client.submit("noop", items()), 10)
    assert (job.job_id, job.state, job.error.reason) == (job_id, state, "WHY")
    assert upload().items == ["1"]


async def test_what_the_source_raises_comes_out_and_the_upload_can_go_on(client, gateway, upload):
    def breaking():
        yield from rows(150)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await client.submit("noop", breaking(), request_id="r")
    assert upload().items == texts(rows(150))
    assert not upload().closed
    job = await client.submit("noop", rows(160), request_id="r")
    assert job.progress.total_count == 160
    assert upload().items == texts(rows(160))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(float("nan"), "INVALID_FIELD"), ("z" * 1024 * 1024, "ITEM_TOO_LARGE")],
    ids=["nan", "1 MB"],
)
async def test_a_wrong_item_in_an_upload_is_named_by_its_place_in_the_job(client, upload, wrong, reason):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", [*rows(150), wrong])
    assert caught.value.reason == reason
    assert caught.value.violations[0].field == "items[150]"
    assert len(upload().items) == 150


async def test_what_only_the_gateway_finds_wrong_is_named_by_its_place_in_the_job_too(client, gateway):
    wrong = [FieldViolation("items[3]", "is not JSON"), FieldViolation("items[14]", "items[14] neither")]
    gateway.break_upload(
        InvalidArgumentError(
            "items[3]: is not JSON (and 1 more)", violations=wrong, metadata={"first_item_index": "20"}
        ),
        after=2,
    )
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", rows())
    assert caught.value.message == "items[23]: is not JSON (and 1 more)"
    assert caught.value.violations == (
        FieldViolation("items[23]", "is not JSON"),
        FieldViolation("items[34]", "items[14] neither"),
    )
    assert (caught.value.reason, caught.value.answered) == ("INVALID_FIELD", True)


@pytest.mark.parametrize("metadata", [{}, {"first_item_index": "-1"}, {"first_item_index": "many"}], ids=str)
async def test_an_error_that_does_not_say_where_its_batch_begins_stays_as_it_is(client, gateway, metadata):
    wrong = InvalidArgumentError(
        "items[3]: is not JSON", violations=[FieldViolation("items[3]", "is not JSON")], metadata=metadata
    )
    gateway.break_upload(wrong, after=2)
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", rows())
    assert (caught.value.message, caught.value.violations) == (wrong.message, wrong.violations)


async def test_an_error_that_will_not_pass_ends_an_upload(client, gateway):
    gateway.break_upload(InvalidArgumentError("items[0] is not JSON"), after=2)
    with pytest.raises(InvalidArgumentError):
        await client.submit("noop", rows())
    assert len(openings(gateway)) == 1


async def test_a_wrong_place_is_asked_for_once_and_then_gone_on_from(client, gateway, upload):
    gateway.break_upload(AbortedError("beyond", reason="UPLOAD_OFFSET"), after=3)
    await client.submit("noop", rows())
    assert upload().items == texts(rows())


async def test_a_wrong_place_that_stays_wrong_is_an_error(client, gateway):
    for _ in range(2):
        gateway.break_upload(AbortedError("beyond", reason="UPLOAD_OFFSET"), after=0)
    with pytest.raises(AbortedError) as caught:
        await client.submit("noop", rows())
    assert caught.value.reason == "UPLOAD_OFFSET"


async def test_a_store_that_lost_items_that_are_not_kept_any_more_is_an_error(client, gateway):
    gateway.break_upload(after=8)
    gateway.break_upload(stored_count=0)
    with pytest.raises(AbortedError) as caught:
        await client.submit("noop", rows())
    assert caught.value.reason == "UPLOAD_OFFSET"
    assert caught.value.metadata["stored_count"] == "0"


async def test_an_upload_gives_up_when_no_gateway_comes_back_in_time(gateway):
    for _ in range(100):
        gateway.break_upload()
    async with Client(gateway.target, resume_timeout=0.3) as client:
        with pytest.raises(UnavailableError):
            await client.submit("noop", rows())


async def test_a_gateway_that_stores_but_never_answers_is_abandoned_for_another(gateway, upload):
    gateway.break_upload(end=None, lose_answers=True)
    gateway.break_upload(end=None, lose_answers=True)
    async with Client(gateway.target, timeout=0.3) as client:
        job = await client.submit("noop", stream(rows(30)))
    assert job.progress.total_count == 30
    assert upload().items == texts(rows(30))


async def test_silence_counts_only_while_an_answer_is_owed(client, gateway, monkeypatch):
    limits: list[float | None] = []
    acknowledged, gate = asyncio.Event(), asyncio.Event()

    class Recorded(asyncio.Timeout):
        def reschedule(self, when):
            super().reschedule(when)
            limits.append(when)
            if when is None and len(limits) > 2:
                acknowledged.set()

    monkeypatch.setattr(asyncio, "timeout", lambda delay: Recorded(asyncio.get_running_loop().time() + delay))
    submit = asyncio.create_task(client.submit("noop", stream([1], gate)))
    await asyncio.wait_for(acknowledged.wait(), 10)
    assert [limit is None for limit in limits] == [False, True, False, True]
    gate.set()
    await asyncio.wait_for(submit, 10)


async def test_items_are_read_at_most_4_mb_ahead_of_the_stored_ones(client, gateway, upload, job_id):
    gateway.break_upload(end=None, gate=asyncio.Event())
    read = []
    submit = asyncio.create_task(client.submit("noop", (read.append(item) or item for item in rows(2000))))
    while not streams(gateway):
        await client.kinds()
    for _ in range(200):
        await client.kinds()
    assert len(read) * len(LARGE) < 10_000_000
    submit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submit


async def test_cancelling_a_submit_ends_its_upload_on_the_server(client, gateway):
    submit = asyncio.create_task(client.submit("noop", stream([1], asyncio.Event())))
    await asyncio.wait_for(gateway.arrived.wait(), 10)
    submit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submit
    await asyncio.wait_for(gateway.append_ended.wait(), 10)


async def test_a_job_holds_10_000_000_items_and_no_more(client, upload, monkeypatch):
    monkeypatch.setattr("headrace._submitting.item_reading.MAX_ITEM_COUNT", 100)
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", rows(101))
    assert caught.value.violations[0].field == "items[100]"
    assert len(upload().items) == 100


async def test_an_upload_continues_at_another_gateway(new_gateway, serve, job_id):
    first, second = new_gateway(), new_gateway()
    gate = asyncio.Event()
    async with serve(first) as server, Client(first.target) as client:
        submit = asyncio.create_task(client.submit("noop", stream(rows(30), gate)))
        await asyncio.wait_for(first.arrived.wait(), 10)
        await server.stop(None)
        second.uploads, second.jobs = first.uploads, first.jobs
        async with serve(second, first.target):
            gate.set()
            job = await asyncio.wait_for(submit, 20)
    assert job.progress.total_count == 30
    assert first.uploads[job_id].items == texts(rows(30))
