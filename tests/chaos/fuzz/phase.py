"""The fuzz as a phase of the storm: many random requests to a stack of its own, over one database server."""

import asyncio
import time

import grpc

from deploy.local.services import ServiceProcess
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2
from tests.chaos.fuzz.calls import Tally, open_descriptors, resident_bytes, send_random_requests
from tests.chaos.fuzz.requests import RequestMaker
from tests.chaos.row import Row

REQUESTS = 200_000
MB = 1024 * 1024
# Beyond what a service has after the first tenth of the requests.
MAX_GROWTH_BYTES = 200 * MB
MAX_NEW_DESCRIPTORS = 50
GATEWAY = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"]
RESULTS = results_pb2.DESCRIPTOR.services_by_name["ResultsService"]
WORKER = worker_pb2.DESCRIPTOR.services_by_name["WorkerService"]


async def run_fuzz(run: TestRun, seed: int, count: int = REQUESTS) -> Row:
    """Sends random requests to every service of a stack, and returns the outcome.

    Args:
        run: Test run that owns the servers.
        seed: Seed of the requests.
        count: Number of requests.
    """
    begin = time.monotonic()
    stack = await asyncio.to_thread(TestStack, run, workers=1, gateways=1)
    try:
        await asyncio.to_thread(stack.start)
        row = await _fuzz(stack, seed, count)
    finally:
        await asyncio.to_thread(stack.close)
    row.seconds = time.monotonic() - begin
    return row


async def _fuzz(stack: TestStack, seed: int, count: int) -> Row:
    services = [
        (GATEWAY, stack.gateways[0].target),
        (RESULTS, stack.results.target),
        (WORKER, stack.workers[0].target),
    ]
    maker = RequestMaker(seed, await submit_jobs(stack.gateways[0].target))
    first = await send_random_requests(services, count // 10, maker)
    pids = {service.name: service.process.pid for service in _services_of(stack)}
    before = {name: _use(pid) for name, pid in pids.items()}
    rest = await send_random_requests(services, count - count // 10, maker)
    row = Row("fuzz", call_count=count)
    for service in _services_of(stack):
        if service.process.pid != pids[service.name]:
            row.broken.append(f"{service.name} ended")
            continue
        memory, descriptors = _use(service.process.pid)
        memory_before, descriptors_before = before[service.name]
        row.remarks.append(f"{service.name}: {memory // MB} MB, {descriptors} descriptors")
        if memory - memory_before > MAX_GROWTH_BYTES:
            row.broken.append(f"{service.name} grew from {memory_before // MB} to {memory // MB} MB")
        if descriptors - descriptors_before > MAX_NEW_DESCRIPTORS:
            row.broken.append(f"{service.name} has {descriptors} descriptors, before {descriptors_before}")
    _judge([first, rest], row)
    return row


def _services_of(stack: TestStack) -> tuple[ServiceProcess, ...]:
    return (stack.gateways[0], stack.results, stack.workers[0])


def _use(pid: int | None) -> tuple[int, int]:
    return (resident_bytes(pid), open_descriptors(pid)) if pid else (0, 0)


def _judge(tallies: list[Tally], row: Row) -> None:
    codes = sum((tally.codes for tally in tallies), start=type(tallies[0].codes)())
    row.failed_count = sum(codes[code] for code in codes if code != "OK")
    row.remarks.append(", ".join(f"{code} {number:,}" for code, number in codes.most_common()))
    row.remarks.append(f"longest call {max(tally.longest_seconds for tally in tallies):.1f} s")
    for tally in tallies:
        row.broken += [f"{fault}: {request!r}" for fault, request in tally.faults.items()]


async def submit_jobs(target: str) -> list[str]:
    """Submits some jobs for requests to name, and returns their ids."""
    submissions = [
        gateway_pb2.SubmitJobRequest(kind="noop", items=["1"] * 3),
        gateway_pb2.SubmitJobRequest(kind="noop", upload=True),
        gateway_pb2.SubmitJobRequest(kind="noop", params='{"sleep_ms": 3600000}', items=["1"] * 3),
    ]
    async with grpc.aio.insecure_channel(target) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        return [(await stub.SubmitJob(request)).job.job_id for request in submissions]
