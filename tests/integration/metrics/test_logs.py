"""Logs of a whole system at DEBUG: traces are in them, secrets are not."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from itertools import chain

import grpc
import pytest

from deploy.local.paths import REPOSITORY
from deploy.local.services import service_environment
from deploy.local.testing.stack import TestStack
from headrace.errors import HeadraceError
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
DEBUG = {"HEADRACE_LOG_LEVEL": "DEBUG"}

KEY = "sk-planted-key-of-the-provider"
PASSWORD = "planted-password"
CONTENT = "planted-content"
SECRETS = (KEY, PASSWORD, CONTENT)

ECHO = f"You sent {CONTENT} with the key {KEY}"


@pytest.fixture(scope="module")
def stack(servers):
    """A stack that logs everything and has secrets in its settings; RabbitMQ and Redis are unreachable."""
    stack = TestStack(
        servers,
        workers=1,
        worker_settings=DEBUG
        | {"OPENAI_API_KEY": KEY, "HEADRACE_REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:1/0"},
        gateway_settings=DEBUG | {"HEADRACE_RABBITMQ_URL": f"amqp://user:{PASSWORD}@127.0.0.1:1/"},
        results_settings=DEBUG,
    )
    # The test server requires no password, and accepts any.
    url = stack.results.settings["HEADRACE_DATABASE_URL"]
    stack.results.settings["HEADRACE_DATABASE_URL"] = url.replace("@", f":{PASSWORD}@")
    stack.start()
    yield stack
    stack.close()


def processes(stack):
    return [stack.results, *stack.gateways, *stack.workers]


async def run_job(target, kind, items, params, traceparent=TRACEPARENT):
    """Submits a job as any gRPC client can, and returns it once it has ended."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        request = gateway_pb2.SubmitJobRequest(
            kind=kind, items=[json.dumps(item) for item in items], params=json.dumps(params)
        )
        metadata = (("traceparent", traceparent),) if traceparent else ()
        job = (await stub.SubmitJob(request, metadata=metadata, timeout=20)).job
        async for response in stub.WatchJob(gateway_pb2.WatchJobRequest(job_id=job.job_id), timeout=60):
            job = response.job
        return job


def params(template="{title}", model="stand-in"):
    return {"labels": ["a", "b"], "template": template + CONTENT, "model": model}


async def test_the_trace_of_a_client_is_on_every_log_line_about_its_job(stack, log_lines):
    stack.control_stand_in(fail_next=[{"status": 503}], fail_when_contains={"refused": {"status": 400}})
    items = [{"title": title} for title in ("fine", "refused", "good")]
    job = await run_job(stack.gateway_target, "llm.classify", items, params())

    def lines(service):
        return [line for line in log_lines(service) if line.get("job_id") == job.job_id]

    await until(lambda: any(line["event"] == "job_ended" for line in lines(stack.results)))
    about_job = {service.name: lines(service) for service in processes(stack)}
    events = {name: [line["event"] for line in found] for name, found in about_job.items()}
    assert events["gateway-1"] == ["job_submitted"]
    assert events["results"] == ["job_ended"]
    assert sorted(set(events["worker-1"])) == ["chunk_leased", "item_failed", "item_retried"]
    assert len(events["worker-1"]) == 5, "no line for an item that succeeds"
    for line in chain.from_iterable(about_job.values()):
        assert (line["trace_id"], line["tenant"]) == (TRACE_ID, "default"), line


async def test_a_job_submitted_without_a_trace_begins_one(stack, log_lines):
    job = await run_job(stack.gateway_target, "noop", [1], {}, traceparent="nonsense")

    def traces(service):
        return {line["trace_id"] for line in log_lines(service) if line.get("job_id") == job.job_id}

    await until(lambda: traces(stack.results))
    assert len(traces(stack.gateways[0]) | traces(stack.results) | traces(stack.workers[0])) == 1


async def test_no_log_contains_secrets_or_contents_of_items_whatever_goes_wrong(stack):
    faults = {
        "item-400": {"status": 400, "message": ECHO, "code": "invalid"},
        "item-500": {"status": 500, "message": ECHO},
        "item-body": {"body": f'{{"{CONTENT}": '},
        "item-text": {"text": CONTENT},
        "item-gone": {"disconnect": True},
        "item-401": {"status": 401, "message": ECHO, "code": "invalid_api_key"},
    }
    stack.control_stand_in(fail_when_contains=faults)
    target = stack.gateway_target
    good = [{"title": f"item-{name}"} for name in ("400", "text", "fine")]
    job = await run_job(target, "llm.classify", [*good, {"other": CONTENT}, CONTENT], params())
    assert job.progress.failed_count > 0
    assert (await run_job(target, "llm.classify", [{"title": "item-401"}], params())).error.reason
    stack.control_stand_in(
        reset=True, fail_next=[faults["item-500"], faults["item-body"], faults["item-gone"]]
    )
    job = await run_job(target, "llm.classify", [{"title": str(n)} for n in range(4)], params())
    assert job.progress.succeeded_count == 4
    await submit_nonsense(target)
    await asyncio.to_thread(stack.results.kill)
    await submit_nonsense(target)  # the store is down now
    await asyncio.to_thread(stack.results.restart)
    assert '"level": "debug"' in stack.workers[0].log_text()
    for service in processes(stack):
        text = service.log_text()
        assert not [secret for secret in SECRETS if secret in text], service.name


async def submit_nonsense(target):
    async with grpc.aio.insecure_channel(target) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        for fields in (
            {"kind": CONTENT, "items": ["1"]},
            {"kind": "noop", "items": [f"{CONTENT} is not JSON"]},
            {"kind": "noop", "items": ["1"], "params": f'{{"{CONTENT}": 1}}'},
            {"kind": "llm.classify", "items": ["1"], "params": json.dumps(params(model=CONTENT * 100))},
            {"kind": "noop", "items": [f'"{CONTENT}"']},
        ):
            with suppress(grpc.aio.AioRpcError, HeadraceError):
                await stub.SubmitJob(gateway_pb2.SubmitJobRequest(**fields), timeout=20)


def unreachable_database():
    """Returns the environment of a results service whose database cannot be reached."""
    env = service_environment() | DEBUG
    env["HEADRACE_DATABASE_URL"] = f"postgresql://user:{PASSWORD}@127.0.0.1:1/headrace"
    env["HEADRACE_LISTEN"] = "127.0.0.1:0"
    return os.environ | env


def test_a_migration_that_cannot_reach_its_database_does_not_show_the_password():
    argv = [sys.executable, "-m", "services.results", "migrate"]
    ended = subprocess.run(
        argv,
        env=unreachable_database(),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "STORE_UNAVAILABLE" in ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr


def test_results_waits_for_a_database_that_cannot_be_reached_and_does_not_show_the_password():
    argv = [sys.executable, "-m", "services.results"]
    process = subprocess.Popen(
        argv,
        env=unreachable_database(),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if "service_not_ready" in line:
                break
        process.terminate()
        printed += process.communicate(timeout=30)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    assert "127.0.0.1:1/headrace" in printed
    assert PASSWORD not in printed
