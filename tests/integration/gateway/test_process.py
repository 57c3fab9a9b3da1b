"""The gateway as its own process."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc


@pytest.fixture
async def launch() -> AsyncIterator[Callable[..., Awaitable[asyncio.subprocess.Process]]]:
    """Starts ``python -m services.gateway`` with the given environment variables."""
    processes = []

    async def start(**variables: str) -> asyncio.subprocess.Process:
        settings = {"HEADRACE_LISTEN": "127.0.0.1:0", "HEADRACE_DRAIN_SECONDS": "1", **variables}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HEADRACE_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway",
            env=environment | settings, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def started_target(process) -> str:
    async with asyncio.timeout(20):
        async for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "gateway_started":
                return event["target"]
    raise AssertionError("the gateway ended before it started")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_gateway_serves_until_a_signal_and_exits_0(launch, signal_number):
    process = await launch(HEADRACE_RABBITMQ_URL="amqp://guest:guest@127.0.0.1:1/")
    async with grpc.aio.insecure_channel(await started_target(process)) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        assert (await stub.ListKinds(gateway_pb2.ListKindsRequest())).kinds
        process.send_signal(signal_number)
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_missing_setting_is_named_and_the_exit_code_is_2(launch):
    process = await launch()
    _, printed = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"HEADRACE_RABBITMQ_URL" in printed


async def test_a_taken_port_ends_the_process_with_one_line(launch):
    first = await launch(HEADRACE_RABBITMQ_URL="memory://")
    target = await started_target(first)
    second = await launch(HEADRACE_RABBITMQ_URL="memory://", HEADRACE_LISTEN=target)
    _, printed = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    assert b"gateway_not_started" in printed
    assert b"Traceback" not in printed
