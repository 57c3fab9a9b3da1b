import asyncio
import dataclasses
import datetime
import uuid

import grpc
import pytest

from headrace import (
    AlreadyExistsError,
    CancelledError,
    Client,
    DeadlineExceededError,
    InvalidArgumentError,
    JobClass,
    JsonText,
    NotFoundError,
    UnavailableError,
)
from headrace.errors import FieldViolation, InternalError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

STORE_AWAY = UnavailableError("the store is away", reason="STORE_UNAVAILABLE")


async def test_a_submitted_job_comes_back_with_its_id_and_state(client, gateway, job_id):
    job = await client.submit("noop", items=[1, "zwei", None, {"three": [3.5, True]}], params={"sleep_ms": 5})
    assert (job.job_id, job.state, job.progress.total_count) == (job_id, "PENDING", 4)
    assert job.create_time.tzinfo is datetime.UTC
    assert job.start_time is None
    request = gateway.requests[0]
    assert list(request.items) == ["1", '"zwei"', "null", '{"three":[3.5,true]}']
    assert request.params == '{"sleep_ms":5}'
    assert uuid.UUID(request.request_id)
    assert not request.options.ListFields()


async def test_items_may_come_from_a_generator(client, gateway):
    await client.submit("noop", items=(number for number in range(3)))
    assert list(gateway.requests[0].items) == ["0", "1", "2"]


async def test_on_open_gets_the_job_as_soon_as_it_is_stored(client, job_id):
    opened = []
    job = await client.submit("noop", items=[1], on_open=opened.append)
    assert opened == [job]


async def test_all_options_reach_the_gateway(gateway):
    async with Client(gateway.target, tenant="jobs-team") as client:
        await client.submit(
            "noop", items=[1], request_id="r-1", job_class="bulk", max_failed_ratio=0.0, max_parallelism=3
        )
        await client.submit("noop", items=[1], job_class=JobClass.INTERACTIVE)
    first, second = gateway.requests
    assert first.request_id == "r-1"
    assert (first.options.job_class, first.options.max_parallelism) == (jobs_pb2.JOB_CLASS_BULK, 3)
    assert first.options.HasField("max_failed_ratio")
    assert second.options.job_class == jobs_pb2.JOB_CLASS_INTERACTIVE
    assert gateway.metadata[0]["headrace-tenant"] == "jobs-team"


async def test_a_submit_is_repeated_with_the_same_request_id_while_the_store_is_away(client, gateway):
    gateway.failures = [
        STORE_AWAY,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
    ]
    await client.submit("noop", items=[1])
    assert len(gateway.requests) == 5
    assert len({request.request_id for request in gateway.requests}) == 1


async def test_a_repeat_gives_up_at_the_clients_time_out(gateway):
    gateway.failures = [STORE_AWAY] * 1000
    async with Client(gateway.target, timeout=0.4) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.get("x")
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert 2 < len(gateway.requests) < 20


async def test_a_gateway_that_nobody_runs_is_unavailable():
    async with Client("127.0.0.1:1", connect_timeout=0.2) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.kinds()
    assert not caught.value.answered


async def test_an_answer_that_does_not_come_is_a_deadline_exceeded(gateway, monkeypatch):

    async def silent(request, context):
        await asyncio.Event().wait()

    monkeypatch.setattr(gateway, "_begin", silent)
    async with Client(gateway.target, timeout=0.3) as client:
        with pytest.raises(DeadlineExceededError):
            await client.kinds()


async def test_an_error_keeps_reason_message_and_violations(client, gateway):
    violations = [
        FieldViolation("params.labels", "must not be empty"),
        FieldViolation("params.template", "is missing"),
    ]
    gateway.failures = [InvalidArgumentError("2 fields of params are wrong", violations=violations)]
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("llm.classify", items=[1])
    error = caught.value
    assert (error.reason, error.message) == ("INVALID_FIELD", "2 fields of params are wrong")
    assert list(error.violations) == violations
    assert error.answered
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "error",
    [AlreadyExistsError("other content"), InternalError("internal error"), NotFoundError("no such job")],
)
async def test_an_error_that_will_not_pass_is_not_repeated(client, gateway, error):
    gateway.failures = [error]
    with pytest.raises(type(error)):
        await client.get("x")
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "NaN"),
        ({"deep": [1, (2.0, float("-inf"))]}, "NaN and infinity"),
        (2**70, "64-bit"),
        (b"bytes", "bytes"),
        ({1: "a"}, "Dict key must be str"),
        ("\ud800", "surrogates"),
        (JsonText('"\ud800"'), "surrogates"),
    ],
    ids=str,
)
async def test_a_value_that_json_cannot_hold_is_refused_by_index(client, gateway, value, why):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=[0, None, value])
    assert caught.value.violations[0].field == "items[2]"
    assert why in caught.value.violations[0].description
    assert gateway.requests == []


async def test_nan_in_params_is_refused_by_name(client):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=[1], params={"temperature": float("nan")})
    assert caught.value.violations[0].field == "params"


async def test_null_in_an_item_is_not_nan(client, gateway):
    @dataclasses.dataclass
    class Row:
        title: str | None
        rate: float

    await client.submit("noop", items=[{"a": None, "b": [None, 1.0]}, Row(None, 0.5)])
    assert list(gateway.requests[0].items) == ['{"a":null,"b":[null,1.0]}', '{"title":null,"rate":0.5}']


async def test_json_text_is_sent_unchanged(client, gateway):
    text = '{"n": 1.50, "big": 123456789012345678901234567890}'
    await client.submit("noop", items=[JsonText(text)], params=JsonText('{ "sleep_ms": 0 }'))
    assert list(gateway.requests[0].items) == [text]
    assert gateway.requests[0].params == '{ "sleep_ms": 0 }'


async def test_nul_and_emoji_arrive_as_they_are(client, gateway):
    await client.submit("noop", items=["\x00 and \N{GRINNING FACE}"])
    assert list(gateway.requests[0].items) == ['"\\u0000 and \N{GRINNING FACE}"']


async def test_a_request_of_4_mb_to_the_byte_is_sent_and_one_byte_more_is_uploaded(client, gateway, job_id):
    limit = 4 * 1024 * 1024
    rows = ["", "ü" * 60, "x" * 126, "y" * 20_000, *["z" * 1_000_000] * 4]
    await client.submit("noop", items=rows, request_id="r")
    rest = limit - gateway.requests[0].ByteSize()
    last = "w" * (rest - 1 - 3 - 2)  # without tag, length and quotes
    gateway.requests.clear()
    await client.submit("noop", items=[*rows, last], request_id="s")
    assert [request.ByteSize() for request in gateway.requests] == [limit]
    await client.submit("noop", items=[*rows, last + "w"], request_id="t")
    assert gateway.requests[1].upload
    assert len(gateway.uploads[job_id].items) == len(rows) + 1


async def test_an_item_over_1_mb_is_refused_by_index(client, gateway):
    limit = 1024 * 1024
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=["x" * (limit - 2), "x" * (limit - 1)])
    assert caught.value.reason == "ITEM_TOO_LARGE"
    assert caught.value.violations[0].field == "items[1]"
    assert gateway.requests == []


async def test_params_over_1_mb_are_refused_by_name(client, gateway):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=[1], params={"text": "ü" * 600_000})
    assert caught.value.violations[0].field == "params"
    assert gateway.requests == []


@pytest.mark.parametrize("items", ["text", b"bytes", {"a": 1}, 7, None], ids=str)
async def test_a_value_that_is_not_a_collection_of_items_is_refused(client, items):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=items)
    assert caught.value.violations[0].field == "items"


async def test_an_unknown_class_is_refused_with_the_known_ones(client):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=[1], job_class="fast")
    assert "INTERACTIVE, DEFAULT, BULK" in caught.value.violations[0].description


@pytest.mark.parametrize("tenant", ["bö\nse", 5, b"team"], ids=str)
def test_a_tenant_that_metadata_cannot_hold_is_refused(tenant):
    with pytest.raises(InvalidArgumentError) as caught:
        Client(tenant=tenant)
    assert caught.value.violations[0].field == "tenant"


async def test_the_target_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("HEADRACE_TARGET", "gateway.example:1234")
    assert Client().target == "gateway.example:1234"
    monkeypatch.delenv("HEADRACE_TARGET")
    assert Client().target == "localhost:50051"


async def test_listing_reads_all_pages_with_its_filters(client, gateway, make_job):
    gateway.jobs = [make_job(state="FAILED" if n % 2 else "RUNNING", job_id=f"job-{n}") for n in range(10)]
    gateway.jobs[1].kind = "llm.classify"
    assert [job.job_id async for job in client.list()] == [f"job-{n}" for n in range(10)]
    failed = [job.job_id async for job in client.list(states=["failed"], kind="noop")]
    assert failed == ["job-3", "job-5", "job-7", "job-9"]


async def test_cancelling_returns_the_job_as_it_is_now(client, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    assert (await client.cancel(job_id)).state == "CANCELLING"


async def test_kinds_and_workers_are_plain_objects(client, gateway):
    gateway.kinds = [jobs_pb2.Kind(name="noop", description="Nothing.", params_schema='{"type":"object"}')]
    gateway.workers = [
        jobs_pb2.Worker(incarnation="w", address="127.0.0.1:50061", live=True, in_flight_limit=100)
    ]
    (kind,) = await client.kinds()
    (worker,) = await client.workers()
    assert kind.params_schema == {"type": "object"}
    assert (worker.live, worker.in_flight_limit, worker.start_time) == (True, 100, None)


async def test_closing_a_client_twice_is_harmless(gateway):
    client = Client(gateway.target)
    await client.kinds()
    await client.close()
    await client.close()


async def test_a_closed_client_says_so(gateway):
    client = Client(gateway.target)
    await client.close()
    with pytest.raises(CancelledError) as caught:
        await client.kinds()
    assert caught.value.reason == "CLIENT_CLOSED"


async def test_nothing_is_sent_for_a_job_that_is_only_listed(client, gateway):
    assert [job async for job in client.list()] == []
    assert len(gateway.requests_of(gateway_pb2.ListJobsRequest)) == 1
