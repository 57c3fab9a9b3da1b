"""Watches of many jobs, and lists of jobs with filters."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest

from headrace import InvalidArgumentError, JobState, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

LATER = datetime(2030, 1, 31, 18, tzinfo=UTC)


async def take(jobs, count):
    found = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found.append(await anext(jobs))
    await jobs.aclose()
    return found


async def test_a_watch_yields_each_job_and_sends_its_filters(client, gateway, make_job):
    gone = gateway_pb2.WatchedJob(job=jobs_pb2.Job(job_id="gone"), deleted=True)
    left = gateway_pb2.WatchedJob(job=make_job(3, labels={"a": "c"}), left=True)
    gateway.script_jobs([make_job(1, "PENDING")], [left, gone], hold=True)
    jobs = client.watch_jobs({"a": "b"}, [JobState.PENDING, "running"], "noop")
    found = await take(jobs, 3)
    assert [each.job.state for each in found] == ["PENDING", "RUNNING", "UNSPECIFIED"]
    assert [(each.left, each.deleted) for each in found] == [(False, False), (True, False), (False, True)]
    assert (found[1].job.labels, found[2].job.job_id) == ({"a": "c"}, "gone")
    (request,) = gateway.requests
    assert dict(request.labels) == {"a": "b"}
    assert (list(request.states), request.kind) == ([1, 2], "noop")
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_the_token_of_a_message_comes_with_its_last_job_only(client, gateway, make_job):
    gateway.script_jobs([make_job(1)], [make_job(2), make_job(3), make_job(4)], hold=True)
    found = await take(client.watch_jobs(resume_token="begin"), 4)
    assert [each.resume_token for each in found] == ["t1", "t1", "t1", "t2"]
    assert gateway.requests[0].resume_token == "begin"


@pytest.mark.parametrize(
    "end", [UnavailableError("the gateway stops"), grpc.StatusCode.UNAVAILABLE, None], ids=str
)
async def test_a_broken_watch_continues_after_its_last_message(client, gateway, make_job, end):
    gateway.script_jobs([make_job(1)], [], end=end)
    gateway.script_jobs([make_job(2)], token="u", hold=True)
    found = await take(client.watch_jobs(), 2)
    assert [each.resume_token for each in found] == ["t1", "u1"]
    assert [request.resume_token for request in gateway.requests] == ["", "t2"]


async def test_a_watch_that_the_gateway_refuses_raises(client, gateway):
    error = InvalidArgumentError("resume_token is wrong", reason="INVALID_RESUME_TOKEN")
    gateway.script_jobs(end=error)
    with pytest.raises(InvalidArgumentError) as caught:
        await anext(client.watch_jobs(resume_token="x"))
    assert caught.value.reason == "INVALID_RESUME_TOKEN"


async def test_a_reset_is_told_at_once(client, gateway, make_job, caplog):
    resets = []
    gateway.script_jobs([], [make_job(1)], reset=True, hold=True)
    await take(client.watch_jobs(on_reset=lambda: resets.append(1)), 1)
    assert resets == [1]
    gateway.script_jobs([], [make_job(1)], reset=True, hold=True)
    with caplog.at_level(logging.WARNING, logger="headrace"):
        await take(client.watch_jobs(), 1)
    assert "missed changes" in caplog.text


async def test_a_watch_works_without_an_event_loop(sync_client, gateway, make_job):
    gateway.script_jobs([make_job(1), make_job(2)], hold=True)

    def read():
        jobs = sync_client.watch_jobs(labels={"a": "b"})
        found = [next(jobs), next(jobs)]
        jobs.close()
        return found

    found = await asyncio.to_thread(read)
    assert [each.job.seq for each in found] == [1, 2]
    assert dict(gateway.requests[0].labels) == {"a": "b"}
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_submit_sends_the_name_and_the_labels(client, sync_client, gateway):
    await client.submit("noop", [1], name="nightly", labels={"a": "b"})
    await asyncio.to_thread(lambda: sync_client.submit("noop", [1], name="m", labels={"a": ""}))
    assert [(request.name, dict(request.labels)) for request in gateway.requests] == [
        ("nightly", {"a": "b"}),
        ("m", {"a": ""}),
    ]


async def test_a_list_sends_its_filters(client, sync_client, gateway):
    filters = {
        "labels": {"a": "b"},
        "name": "n",
        "created_after": LATER,
        "created_before": LATER.astimezone(timezone(timedelta(hours=3))),
        "finished_after": LATER + timedelta(microseconds=7),
    }
    assert [job async for job in client.list(**filters)] == []
    assert await asyncio.to_thread(lambda: list(sync_client.list(**filters))) == []
    first, second = gateway.requests
    assert first == second
    assert (dict(first.labels), first.name) == ({"a": "b"}, "n")
    assert first.created_after == first.created_before
    assert first.finished_after.ToDatetime(tzinfo=UTC) == LATER + timedelta(microseconds=7)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"labels": {1: "x"}}, "labels", "dict of texts"),
        ({"labels": {"a": None}}, "labels", "dict of texts"),
        ({"labels": ["a"]}, "labels", "dict of texts"),
        ({"labels": {"a": "\ud83d"}}, "labels", "UTF-8"),
        ({"name": 7}, "name", "str"),
    ],
)
async def test_names_and_labels_that_no_request_can_hold_are_named(client, gateway, fields, field, words):
    calls = [
        lambda: client.submit("noop", [1], **fields),
        lambda: anext(client.list(**fields)),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError) as caught:
            await call()
        assert [violation.field for violation in caught.value.violations] == [field]
        assert words in caught.value.message
    assert not gateway.requests


async def test_a_time_without_a_zone_is_refused(client, gateway):
    with pytest.raises(InvalidArgumentError, match=r"created_after: .*time zone"):
        await anext(client.list(created_after=datetime(2030, 1, 1)))
