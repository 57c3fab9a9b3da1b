"""The history of a job and the usage of jobs, in Python and on the command line."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from headrace import JobChange, JobHistoryEvent, NotFoundError, UsageGroup
from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)


def event(number, change, seconds=0, *, count=1, until=0, **fields):
    message = jobs_pb2.JobHistoryEvent(number=number, change=f"JOB_CHANGE_{change}", count=count, **fields)
    message.event_time.FromDatetime(BEGIN + timedelta(seconds=seconds))
    message.last_event_time.FromDatetime(BEGIN + timedelta(seconds=until or seconds))
    return message


def group(jobs=1, **fields):
    usage = jobs_pb2.Usage(call_count=10 * jobs, input_tokens=1_000_000, cost_micros=1_234_567)
    return jobs_pb2.UsageGroup(job_count=jobs, succeeded_count=9 * jobs, usage=usage, **fields)


@pytest.fixture
def with_history(gateway, make_job):
    gateway.jobs = [make_job()]
    gateway.events = [
        event(0, "CREATED"),
        event(1, "STARTED", 2),
        event(2, "PAUSED", 5, count=4_120, until=65, message="USER", actor="10.0.0.7 (tool/1.0)"),
    ]
    return gateway


async def test_a_history_is_read_page_by_page(with_history, client, job_id):
    events = [each async for each in client.history(job_id)]
    assert [each.change for each in events] == [JobChange.CREATED, JobChange.STARTED, JobChange.PAUSED]
    assert events[0] == JobHistoryEvent(
        number=0, event_time=BEGIN, change=JobChange.CREATED, last_event_time=BEGIN
    )
    assert events[2].last_event_time == BEGIN + timedelta(seconds=65)
    assert (events[2].count, events[2].actor) == (4_120, "10.0.0.7 (tool/1.0)")
    requests = with_history.requests_of(gateway_pb2.ListJobEventsRequest)
    assert [request.page_token for request in requests] == ["", "2"]


async def test_a_change_of_a_later_version_is_unspecified(with_history, client, job_id):
    with_history.events = [jobs_pb2.JobHistoryEvent(number=1, change=99)]
    assert [each.change async for each in client.history(job_id)] == [JobChange.UNSPECIFIED]


async def test_an_unknown_job_has_no_history(client, job_id):
    with pytest.raises(NotFoundError):
        _ = [each async for each in client.history(job_id)]


async def test_the_synchronous_client_reads_histories_and_usage(with_history, sync_client, job_id):
    with_history.usage = gateway_pb2.GetUsageResponse(groups=[group(day="2026-01-31")], total=group())
    events = await asyncio.to_thread(lambda: list(sync_client.history(job_id)))
    assert len(events) == 3
    report = await asyncio.to_thread(lambda: sync_client.usage(by="day"))
    assert report.groups[0].day == "2026-01-31"


async def test_usage_is_asked_as_the_caller_wants_it(gateway, client):
    gateway.usage = gateway_pb2.GetUsageResponse(
        groups=[group(2, model="small", label_value="blue")], total=group(3)
    )
    late = datetime(2026, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    report = await client.usage(
        by=["model", "label:team"], first_day=date(2026, 1, 2), last_day=late, kind="noop", labels={"a": "b"}
    )
    assert isinstance(report.groups[0], UsageGroup)
    assert (report.groups[0].label_value, report.groups[0].usage.cost_micros) == ("blue", 1_234_567)
    assert report.total.job_count == 3
    (request,) = gateway.requests_of(gateway_pb2.GetUsageRequest)
    assert request == gateway_pb2.GetUsageRequest(
        by_model=True, by_label="team", first_day="2026-01-02", last_day="2026-01-31", kind="noop",
        labels={"a": "b"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"by": "week"}, "by"),
        ({"by": ["day", "label:"]}, "by"),
        ({"by": ["label:a", "label:b"]}, "by"),
        ({"by": [7]}, "by"),
        ({"first_day": 7}, "first_day"),
        ({"labels": {"a": 1}}, "labels"),
        ({"labels": ["a"]}, "labels"),
        ({"kind": 7}, "kind"),
    ],
)
async def test_wrong_arguments_of_usage_are_named(gateway, client, arguments, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.usage(**arguments)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert gateway.requests == []


async def test_logs_prints_a_line_for_each_event(with_history, cli, job_id):
    done = await cli.run("logs", job_id)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "2026-01-31T10:00:00Z  CREATED",
        "2026-01-31T10:00:02Z  STARTED",
        "2026-01-31T10:00:05Z  PAUSED       USER  [10.0.0.7 (tool/1.0)]  "
        "(4,120 times until 2026-01-31T10:01:05Z)",
    ]


async def test_logs_prints_json_with_the_fields_of_the_api(with_history, cli, job_id):
    done = await cli.run("logs", job_id, "--json")
    assert done.objects[2] == {
        "number": 2,
        "event_time": "2026-01-31T10:00:05Z",
        "change": "PAUSED",
        "actor": "10.0.0.7 (tool/1.0)",
        "message": "USER",
        "count": 4120,
        "last_event_time": "2026-01-31T10:01:05Z",
    }
    names = {field.name for field in jobs_pb2.JobHistoryEvent.DESCRIPTOR.fields}
    assert set(done.objects[0]) == names


async def test_followed_logs_end_with_the_job_and_print_each_event_once(with_history, cli, make_job, job_id):
    gate = asyncio.Event()
    with_history.script(gateway_pb2.WatchJobResponse(job=make_job(2, "PAUSED")), gate=gate, hold=False)
    with_history.script(gateway_pb2.WatchJobResponse(job=make_job(3, "SUCCEEDED", succeeded=3)))
    running = asyncio.create_task(cli.run("logs", job_id, "--follow"))
    async with asyncio.timeout(20):
        while not with_history.requests_of(gateway_pb2.WatchJobRequest):
            await asyncio.sleep(0.01)
    with_history.events += [event(4, "RESUMED", 70), event(6, "ENDED", 80, message="SUCCEEDED")]
    gate.set()
    done = await running
    assert done.code == 0
    assert [line.split()[1] for line in done.out.splitlines()] == [
        "CREATED", "STARTED", "PAUSED", "RESUMED", "ENDED"
    ]  # fmt: skip


async def test_logs_of_an_unknown_job_are_an_error(cli, job_id):
    done = await cli.run("logs", job_id, "--follow")
    assert done.code == 4
    assert "no job" in done.err


async def test_control_characters_of_a_history_do_not_reach_the_terminal(with_history, cli, job_id):
    with_history.events = [event(1, "PAUSED", message="a\x1b[31mb\nc", actor="\u202ed")]
    done = await cli.run("logs", job_id)
    assert len(done.out.splitlines()) == 1
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


async def test_usage_prints_a_table_with_a_total(gateway, cli):
    gateway.usage = gateway_pb2.GetUsageResponse(
        groups=[group(2, day="2026-01-31", label_value="blue"), group(1, day="2026-02-01")], total=group(3)
    )
    done = await cli.run("usage", "--by", "day, label:team", "--since", "2026-01-31", "--until", "2026-02-01")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:4] == ["DAY", "TEAM", "JOBS", "SUCCEEDED"]
    assert lines[1].split() == ["2026-01-31", "blue", "2", "18", "0", "20", "1,000,000", "0", "0", "1.2346"]
    assert lines[2].split()[:3] == ["2026-02-01", "-", "1"]
    assert lines[3].split()[:2] == ["total", "3"]
    assert len({len(line) for line in lines}) == 1
    (request,) = gateway.requests_of(gateway_pb2.GetUsageRequest)
    assert request == gateway_pb2.GetUsageRequest(
        by_day=True, by_label="team", first_day="2026-01-31", last_day="2026-02-01"
    )


async def test_usage_prints_json_groups(gateway, cli):
    gateway.usage = gateway_pb2.GetUsageResponse(groups=[group(2, model="small")], total=group(2))
    done = await cli.run(
        "usage", "--by", "model", "--label", "team=blue=red", "--model", "small", "--kind", "noop", "--json"
    )
    assert len(done.objects) == 1
    assert done.objects[0]["usage"]["cost_micros"] == 1_234_567
    names = {field.name for field in jobs_pb2.UsageGroup.DESCRIPTOR.fields}
    assert set(done.objects[0]) == names
    (request,) = gateway.requests_of(gateway_pb2.GetUsageRequest)
    assert (dict(request.labels), request.model, request.kind) == ({"team": "blue=red"}, "small", "noop")


async def test_usage_without_groups_is_a_total(gateway, cli):
    gateway.usage = gateway_pb2.GetUsageResponse(groups=[group(2)], total=group(2))
    done = await cli.run("usage", "--by", "", "--since", "7d")
    assert [line.split()[0] for line in done.out.splitlines()] == ["JOBS", "2"]
    (request,) = gateway.requests_of(gateway_pb2.GetUsageRequest)
    week = timedelta(days=7)
    assert date.fromisoformat(request.first_day) in (
        datetime.now(UTC).date() - week,
        (datetime.now(UTC) - timedelta(minutes=5)).date() - week,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--since", "yesterday"], ["--until", "2026-02-30"], ["--label", "team"], ["--by", "week"]],
)
async def test_bad_use_of_usage_exits_2(gateway, cli, arguments):
    done = await cli.run("usage", *arguments)
    assert done.code == 2
    assert gateway.requests == []
