"""UpdateJob, DeleteJob and params, as a client sees them."""

import asyncio
import json

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from headrace.gateway.v1.gateway_pb2 import (
    DeleteJobRequest,
    GetJobRequest,
    SubmitJobRequest,
    UpdateJobRequest,
    WatchJobRequest,
)
from headrace.jobs.v1 import jobs_pb2
from services.gateway import deletion
from services.stubs.results.v1 import results_pb2

ALL_FIELDS = {
    "name": "n",
    "labels": {"a": "1"},
    "job_class": jobs_pb2.JOB_CLASS_BULK,
    "max_parallelism": 2,
    "job_timeout": Duration(seconds=60),
    "retention": Duration(seconds=60),
}


def update(job, *names, **fields):
    mask = FieldMask(paths=names or fields.keys() - {"resume", "if_change_seq"})
    return UpdateJobRequest(job_id=job.job_id, update_mask=mask, **fields)


async def test_the_store_gets_the_named_fields_and_watchers_see_the_change(gateway, results, submit, next_of):
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    changed = (await gateway.stub.UpdateJob(update(job, if_change_seq=7, **ALL_FIELDS))).job
    assert (await next_of(call)).job == changed
    (sent,) = results.requests["UpdateJob"]
    assert sent.actor.startswith("127.0.0.1 (")
    sent.ClearField("actor")
    assert sent == results_pb2.UpdateJobRequest(
        job_id=job.job_id, tenant="default", fields=sorted(ALL_FIELDS), if_change_seq=7, **ALL_FIELDS
    )


async def test_a_named_field_without_a_value_is_sent_as_cleared(gateway, results, submit):
    job = await submit(gateway)
    await gateway.stub.UpdateJob(update(job, "budget_micros", "job_timeout", "labels"))
    (sent,) = results.requests["UpdateJob"]
    assert list(sent.fields) == ["budget_micros", "job_timeout", "labels"]
    assert not sent.HasField("budget_micros")
    assert not sent.HasField("job_timeout")


@pytest.mark.parametrize(
    ("names", "fields", "wrong"),
    [
        ([], {}, "update_mask"),
        (["kind"], {}, "update_mask"),
        (["name"], {"name": "x" * 129}, "name"),
        (["name"], {"name": "a\0"}, "name"),
        (["labels"], {"labels": {"-a": "1"}}, 'labels["-a"]'),
        (["labels"], {"labels": {"a": "x" * 257}}, 'labels["a"]'),
        (["labels"], {"labels": {"a": "\0"}}, "labels"),
        (["labels"], {"labels": {f"k{n}": "" for n in range(65)}}, "labels"),
        (["max_parallelism"], {"max_parallelism": 0}, "max_parallelism"),
        (["budget_micros"], {"budget_micros": 0}, "budget_micros"),
        (["job_class"], {"job_class": 9}, "job_class"),
        (["job_timeout"], {"job_timeout": Duration(nanos=5)}, "job_timeout"),
        (["retention"], {"retention": Duration(seconds=59)}, "retention"),
        (["retention"], {"retention": Duration(seconds=90, nanos=2_000_000_000)}, "retention"),
        (["name"], {"max_parallelism": 3}, "max_parallelism"),
    ],
)
async def test_a_wrong_field_is_named(gateway, submit, failure_of, names, fields, wrong):
    job = await submit(gateway)
    request = UpdateJobRequest(job_id=job.job_id, update_mask=FieldMask(paths=names), **fields)
    error = await failure_of(gateway.stub.UpdateJob(request))
    assert error.reason == "INVALID_FIELD"
    assert {violation.field for violation in error.violations} == {wrong}


async def test_a_budget_needs_a_price(gateway, submit, failure_of, results):
    params = {"labels": ["a", "b"], "template": "{x}", "model": "unknown-model"}
    job = (
        await gateway.stub.SubmitJob(
            SubmitJobRequest(kind="llm.classify", params=json.dumps(params), items=['{"x": "y"}'])
        )
    ).job
    error = await failure_of(gateway.stub.UpdateJob(update(job, budget_micros=5)))
    assert "unknown-model" in error.message
    assert not results.requests["UpdateJob"]
    await gateway.stub.UpdateJob(update(job, "budget_micros"))


async def test_a_deleted_job_is_gone(gateway, submit, failure_of):
    job = await submit(gateway)
    request = DeleteJobRequest(job_id=job.job_id)
    assert (await failure_of(gateway.stub.DeleteJob(request))).reason == "JOB_NOT_ENDED"
    request.force = True
    await gateway.stub.DeleteJob(request)
    assert (await failure_of(gateway.stub.DeleteJob(request))).code is grpc.StatusCode.NOT_FOUND
    assert (await failure_of(gateway.stub.GetJob(GetJobRequest(job_id=job.job_id)))).reason == "JOB_NOT_FOUND"


async def test_a_delete_waits_until_workers_have_returned_the_job(gateway, results, submit):
    job = await submit(gateway)
    results.workers_to_notify.append(
        results_pb2.WorkerToNotify(incarnation="i", address="127.0.0.1:1", job_id=job.job_id)
    )
    call = asyncio.ensure_future(
        gateway.stub.DeleteJob(DeleteJobRequest(job_id=job.job_id, force=True), timeout=10)
    )
    await results.until(lambda: results.calls["GetJobs"] >= 2)
    assert not call.done()
    del results.jobs[job.job_id]
    await call


async def test_a_delete_does_not_wait_for_ever(gateway, results, submit, monkeypatch):
    monkeypatch.setattr(deletion, "WAIT_SECONDS", 0.1)
    job = await submit(gateway)
    results.workers_to_notify.append(
        results_pb2.WorkerToNotify(incarnation="i", address="127.0.0.1:1", job_id=job.job_id)
    )
    await gateway.stub.DeleteJob(DeleteJobRequest(job_id=job.job_id, force=True), timeout=10)
    assert job.job_id in results.jobs


async def test_the_params_of_a_job_are_returned_if_asked(gateway, submit):
    text = '{"sleep_ms":  1}'
    job = (await gateway.stub.SubmitJob(SubmitJobRequest(kind="noop", params=text, items=["1"]))).job
    found = await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id, include_params=True))
    assert (found.job, found.params) == (job, text)
    assert not (await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id))).params
