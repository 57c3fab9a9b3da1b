"""Many clients that follow one job: python -m tests.bench.watching_clients MODE TARGET JOB_ID COUNT.

MODE is ``watch`` (a stream each) or ``poll`` (GetJob once a second each). It prints the seqs that each client
got, with their times, as JSON.
"""

import asyncio
import json
import sys
import time

import grpc

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2

_CHANNEL_COUNT = 20
_POLL_SECONDS = 1.0
_OVER = (
    jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_FAILED, jobs_pb2.JOB_STATE_CANCELLED,
    jobs_pb2.JOB_STATE_EXPIRED,
)  # fmt: skip
Arrivals = list[tuple[int, float]]


async def watch(stub: gateway_pb2_grpc.GatewayServiceStub, job_id: str, number: float) -> Arrivals:
    """Follows the job's stream to its end."""
    await asyncio.sleep(number)
    arrivals: Arrivals = []
    async for response in stub.WatchJob(gateway_pb2.WatchJobRequest(job_id=job_id)):
        if response.HasField("job"):
            arrivals.append((response.job.seq, time.time()))
    return arrivals


async def poll(stub: gateway_pb2_grpc.GatewayServiceStub, job_id: str, number: float) -> Arrivals:
    """Polls the job until it has ended."""
    await asyncio.sleep(number)
    arrivals: Arrivals = []
    while True:
        begin = time.monotonic()
        job = (await stub.GetJob(gateway_pb2.GetJobRequest(job_id=job_id))).job
        arrivals.append((job.seq, time.time()))
        if job.state in _OVER:
            return arrivals
        await asyncio.sleep(max(0.0, begin + _POLL_SECONDS - time.monotonic()))


async def main(mode: str, target: str, job_id: str, count: int) -> None:
    """Runs the clients. Their starts are spread over a second."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    channels = [grpc.aio.insecure_channel(target, options=options) for _ in range(_CHANNEL_COUNT)]
    stubs = [gateway_pb2_grpc.GatewayServiceStub(channel) for channel in channels]
    follow = {"watch": watch, "poll": poll}[mode]
    clients = (follow(stubs[number % _CHANNEL_COUNT], job_id, number / count) for number in range(count))
    json.dump(await asyncio.gather(*clients), sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
