import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from headrace.errors import from_rpc_error
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.settings import GatewaySettings
from services.shared.serving import readiness
from services.shared.serving.rpc_server import LIVENESS
from services.shared.settings import read_settings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def read_until(watch, status):
    """Reads a health watch until it reports the status."""
    async with asyncio.timeout(10):
        while (await watch.read()).status != status:
            pass


async def statuses_of(health, *services):
    return [
        (await health.Check(health_pb2.HealthCheckRequest(service=service))).status for service in services
    ]


async def test_a_gateway_is_ready_after_its_first_sweep_and_stays_so(start_gateway, results, unavailable):
    results.gates["Sweep"] = asyncio.Event()
    gateway = await start_gateway()
    health = health_pb2_grpc.HealthStub(gateway.channel)
    names = ("", "headrace.gateway.v1.GatewayService", LIVENESS)
    await results.until(lambda: results.calls["Sweep"])
    assert await statuses_of(health, *names) == [NOT_SERVING, NOT_SERVING, SERVING]
    results.gates.pop("Sweep").set()
    watch = health.Watch(health_pb2.HealthCheckRequest())
    await read_until(watch, SERVING)
    assert await statuses_of(health, *names) == [SERVING, SERVING, SERVING]
    watch.cancel()


async def test_a_gateway_with_a_wrong_store_serves_calls_is_live_and_says_why_it_is_not_ready(
    start_gateway, monkeypatch
):
    monkeypatch.setattr(readiness, "FIRST_REMINDER_SECONDS", 0.0)
    with capture_logs() as logs:
        gateway = await start_gateway(results_target="127.0.0.1:1")
        async with asyncio.timeout(10):
            while not [line for line in logs if line["event"] == "sweep_degraded"]:
                await asyncio.sleep(0.01)
    (line,) = [line for line in logs if line["event"] == "service_not_ready"]
    assert (line["need"], line["address"]) == ("results", "127.0.0.1:1")
    health = health_pb2_grpc.HealthStub(gateway.channel)
    assert await statuses_of(health, "", LIVENESS) == [NOT_SERVING, SERVING]
    assert (await gateway.stub.ListKinds(gateway_pb2.ListKindsRequest())).kinds


async def test_a_stopping_gateway_reports_it_first_and_lets_running_calls_end(start_gateway, results, submit):
    gateway = await start_gateway()
    health = health_pb2_grpc.HealthStub(gateway.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    await read_until(watch, SERVING)
    results.gates["CreateJobs"] = asyncio.Event()
    running = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"])
    stopping = asyncio.create_task(gateway.app.stop())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    results.gates.pop("CreateJobs").set()
    assert (await running).job_id
    await asyncio.wait_for(stopping, 10)


async def test_a_stopping_gateway_publishes_the_tasks_of_running_calls_and_sweeps(
    start_gateway, results, submit
):
    gateway = await start_gateway()
    queues = gateway.broker.queues
    results.gates |= {"CreateJobs": asyncio.Event(), "Sweep": asyncio.Event()}
    results.sweep_effects.tasks_to_publish.add(job_id="j", job_class=jobs_pb2.JOB_CLASS_BULK, count=2)
    swept = results.calls["Sweep"]
    await results.until(lambda: results.calls["Sweep"] > swept)
    running = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"])
    stopping = asyncio.create_task(gateway.app.stop())
    results.gates.pop("CreateJobs").set()
    assert (await running).job_id
    results.gates.pop("Sweep").set()
    await asyncio.wait_for(stopping, 10)
    assert queues["headrace.default"].qsize() == 1
    assert queues["headrace.bulk"].qsize() == 2


async def test_a_stopping_gateway_refuses_new_calls_while_others_end(start_gateway, results, submit):
    gateway = await start_gateway()
    results.gates["CreateJobs"] = asyncio.Event()
    running = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"])
    health = health_pb2_grpc.HealthStub(gateway.channel).Watch(health_pb2.HealthCheckRequest())
    await read_until(health, SERVING)
    draining = asyncio.create_task(gateway.app.drain())
    assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await submit(gateway)
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "GATEWAY_STOPPING")
    results.gates.pop("CreateJobs").set()
    assert (await running).job_id
    await asyncio.wait_for(draining, 10)


async def test_a_stopped_gateway_refuses_connections_and_leaves_no_task_behind(start_gateway, start_worker):
    before = asyncio.all_tasks()
    worker = await start_worker()
    gateway = await start_gateway()
    await worker.until(lambda: worker.streams)
    await gateway.app.stop()
    await worker.until(lambda: not worker.streams)
    left = {
        task for task in asyncio.all_tasks() - before if "services/gateway" in str(task.get_coro().cr_code)
    }
    assert left == set()


async def test_a_taken_port_is_an_error(start_gateway, gateway):
    with pytest.raises(RuntimeError):
        await start_gateway(listen=gateway.app.target)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADRACE_LISTEN", "50051"),
        ("HEADRACE_RABBITMQ_URL", "http://secret@nowhere"),
        ("HEADRACE_GATEWAY_RESYNC_SECONDS", "-1"),
        ("HEADRACE_NOOP_MAX_SECONDS", "0"),
    ],
)
def test_a_bad_setting_is_named_and_not_shown(monkeypatch, capsys, name, value):
    monkeypatch.setenv("HEADRACE_RABBITMQ_URL", "memory://")
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        read_settings(GatewaySettings)
    printed = capsys.readouterr().err
    assert name in printed
    assert "secret" not in printed


def test_the_address_of_the_broker_is_required(monkeypatch, capsys):
    monkeypatch.delenv("HEADRACE_RABBITMQ_URL", raising=False)
    with pytest.raises(SystemExit):
        read_settings(GatewaySettings)
    assert "HEADRACE_RABBITMQ_URL" in capsys.readouterr().err


async def test_reflection_names_the_service(gateway):
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    stub = reflection_pb2_grpc.ServerReflectionStub(gateway.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="*")]))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert "headrace.gateway.v1.GatewayService" in names
    assert await call.code() is grpc.StatusCode.OK
