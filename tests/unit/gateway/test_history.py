"""ListJobEvents and GetUsage, and who asked for a change, as the gateway passes it on."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import grpc
import pytest

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.actors import actor_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()


def day_number(text):
    return (datetime.fromisoformat(text).date() - EPOCH).days


async def test_events_are_paged_by_their_numbers(gateway, results, submit):
    job = await submit(gateway)
    numbers = [0, 1, 2, 4, 60, 62]
    results.events[job.job_id] = [jobs_pb2.JobHistoryEvent(number=number) for number in numbers]
    found, token = [], ""
    while True:
        request = pb.ListJobEventsRequest(job_id=job.job_id.upper(), page_size=4, page_token=token)
        page = await gateway.stub.ListJobEvents(request)
        found += [event.number for event in page.events]
        token = page.next_page_token
        if not token:
            break
    assert found == numbers
    asked = results.requests["ListJobEvents"]
    assert [(each.page_size, each.after_number) for each in asked] == [(4, -1), (4, 4)]
    await gateway.stub.ListJobEvents(pb.ListJobEventsRequest(job_id=job.job_id))
    assert results.requests["ListJobEvents"][-1].page_size == 100


async def test_a_token_of_another_job_or_call_is_refused(gateway, results, submit, failure_of):
    first, second = await submit(gateway), await submit(gateway)
    results.events[first.job_id] = [jobs_pb2.JobHistoryEvent(number=number) for number in range(3)]
    request = pb.ListJobEventsRequest(job_id=first.job_id, page_size=1)
    token = (await gateway.stub.ListJobEvents(request)).next_page_token
    for job_id, text in ((second.job_id, token), (first.job_id, "x"), (first.job_id, token[:-2])):
        request = pb.ListJobEventsRequest(job_id=job_id, page_token=text)
        assert (await failure_of(gateway.stub.ListJobEvents(request))).reason == "INVALID_PAGE_TOKEN"
    results_request = pb.GetResultsRequest(job_id=first.job_id, page_token=token)
    assert (await failure_of(gateway.stub.GetResults(results_request))).reason == "INVALID_PAGE_TOKEN"
    unknown = pb.ListJobEventsRequest(job_id="01890a5d-ac96-774b-bcce-b302099a8057")
    assert (await failure_of(gateway.stub.ListJobEvents(unknown))).reason == "JOB_NOT_FOUND"


async def test_every_change_names_the_client_that_asked(gateway, results, submit):
    job = await submit(gateway)
    for method in ("PauseJob", "ResumeJob", "CancelJob", "RetryJob"):
        await getattr(gateway.stub, method)(getattr(pb, f"{method}Request")(job_id=job.job_id))
        (request,) = results.requests[method]
        assert request.actor.startswith("127.0.0.1 (grpc-python-asyncio/"), method


@pytest.mark.parametrize(
    ("peer", "agent", "actor"),
    [
        ("ipv4:10.0.0.7:41032", "headrace-python/1.2 grpc-c/53", "10.0.0.7 (headrace-python/1.2)"),
        ("ipv6:[2001:db8::1]:41032", "", "2001:db8::1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:41032", "grpc-go/1.80.0", "fe80::1 (grpc-go/1.80.0)"),
        ("ipv4:10.0.0.7:41032", "sk-ant-secret", "10.0.0.7"),
        ("ipv4:10.0.0.7:41032", "tool/1.0;key=sk-secret", "10.0.0.7 (tool/1.0)"),
        ("ipv4:10.0.0.7:41032", "tool/sk-secret", "10.0.0.7"),
        ("ipv4:10.0.0.7:41032", "a/1.\x1b[31m", "10.0.0.7"),
        ("ipv4:10.0.0.7:41032", "x" * 5_000 + "/1", "10.0.0.7"),
        ("unix:/run/secret-path/socket", "tool/1.0", "unix socket (tool/1.0)"),
        ("unknown", "tool/1.0", "tool/1.0"),
        ("", "", ""),
    ],
)
def test_an_actor_is_an_address_and_a_program_and_nothing_else(peer, agent, actor):
    metadata = (("user-agent", agent),) if agent else ()
    context = SimpleNamespace(peer=lambda: peer, invocation_metadata=lambda: metadata)
    assert actor_of(context) == actor


async def test_usage_is_asked_for_the_last_30_days_unless_days_are_named(gateway, results):
    results.usage = [jobs_pb2.UsageGroup(day="2026-01-31", job_count=3)]
    response = await gateway.stub.GetUsage(pb.GetUsageRequest())
    assert (list(response.groups), response.total.job_count) == (results.usage, 7)
    (request,) = results.requests["GetUsage"]
    today = (datetime.now(UTC).date() - EPOCH).days
    assert (request.tenant, request.last_day - request.first_day) == ("default", 30)
    assert today - 1 <= request.last_day <= today


async def test_usage_is_asked_as_the_client_wants_it(gateway, results):
    await gateway.stub.GetUsage(
        pb.GetUsageRequest(
            first_day="2025-12-31",
            last_day="2026-01-31",
            by_day=True,
            by_model=True,
            by_kind=True,
            by_label="cost/center",
            kind="noop",
            model="small",
            labels={"team": "blue"},
        ),
        metadata=(("headrace-tenant", "one"),),
    )
    (request,) = results.requests["GetUsage"]
    assert (request.first_day, request.last_day) == (day_number("2025-12-31"), day_number("2026-01-31"))
    assert (request.by_day, request.by_model, request.by_kind, request.by_label) == (
        True,
        True,
        True,
        "cost/center",
    )
    assert (request.tenant, request.kind, request.model) == ("one", "noop", "small")
    assert dict(request.labels) == {"team": "blue"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"first_day": "2026-02-30"}, "first_day"),
        ({"last_day": "today"}, "last_day"),
        ({"first_day": "0000-01-01"}, "first_day"),
        ({"first_day": "2026-02-02", "last_day": "2026-02-01"}, "first_day"),
        ({"first_day": "2024-01-01", "last_day": "2026-02-01"}, "first_day"),
        ({"first_day": "9999-12-31"}, "first_day"),
        ({"by_label": 'a"b'}, "by_label"),
        ({"by_label": "x" * 64}, "by_label"),
        ({"kind": "a\0"}, "kind"),
        ({"model": "a\0"}, "model"),
        ({"labels": {"a": "b\0"}}, "labels"),
        ({"labels": {"bad key": "b"}}, 'labels["bad key"]'),
        ({"labels": {"a": "b" * 257}}, 'labels["a"]'),
        ({"labels": {f"a{number}": "" for number in range(65)}}, "labels"),
        ({"labels": {f"a{number}": "" for number in range(1_000)}}, "labels"),
    ],
)
async def test_wrong_fields_of_usage_are_named(gateway, results, failure_of, fields, named):
    error = await failure_of(gateway.stub.GetUsage(pb.GetUsageRequest(**fields)))
    assert (error.reason, [violation.field for violation in error.violations]) == ("INVALID_FIELD", [named])
    assert results.requests["GetUsage"] == []


async def test_the_first_and_the_last_day_of_the_calendar_are_days(gateway, results):
    await gateway.stub.GetUsage(pb.GetUsageRequest(last_day="0001-01-05"))
    first, last = results.requests["GetUsage"][0].first_day, results.requests["GetUsage"][0].last_day
    assert (EPOCH + timedelta(days=first)).isoformat() == "0001-01-01"
    assert last - first == 4


async def test_the_model_that_a_job_names_is_stored_with_it(gateway, results):
    for params, model in (
        ('{"prompt": "Say {x}", "model": "small"}', "small"),
        ('{"prompt": "Say {x}"}', ""),
    ):
        request = pb.SubmitJobRequest(kind="llm.complete", params=params, items=['{"x": 1}'])
        await gateway.stub.SubmitJob(request)
        assert results.requests["CreateJobs"][-1].jobs[0].model == model
    await gateway.stub.SubmitJob(pb.SubmitJobRequest(kind="noop", items=["1"]))
    assert results.requests["CreateJobs"][-1].jobs[0].model == ""


async def test_a_store_without_histories_is_told_as_an_error(gateway, results, submit, failure_of):
    job = await submit(gateway)
    results.failures["ListJobEvents"] = NotImplementedError()
    error = await failure_of(gateway.stub.ListJobEvents(pb.ListJobEventsRequest(job_id=job.job_id)))
    assert error.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED)
