"""A gateway with one job of many results, for the measurement of downloads."""

import asyncio
import sys

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2

_PAGE = 1000


class Gateway(gateway_pb2_grpc.GatewayServiceServicer):
    """Has one job, which has ended. Each 50th item failed; the others have an output of about 300 bytes."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def GetJob(self, request, context):
        """Returns the job."""
        job = jobs_pb2.Job(job_id=request.job_id, kind="noop", state="JOB_STATE_SUCCEEDED", seq=1)
        return gateway_pb2.GetJobResponse(job=job)

    async def GetResults(self, request, context):
        """Returns a page, whose token is the index after it."""
        begin = int(request.page_token or 0)
        end = min(begin + _PAGE, self._count)
        return gateway_pb2.GetResultsResponse(
            results=map(_result, range(begin, end)), next_page_token=str(end) if end < self._count else ""
        )


def _result(index: int) -> jobs_pb2.Result:
    result = jobs_pb2.Result(
        item_index=index,
        item_key=f"key-{index}",
        state="ITEM_STATE_SUCCEEDED",
        attempt_count=1,
        usage=jobs_pb2.Usage(call_count=1, input_tokens=200, output_tokens=50, cost_micros=12),
        finish_time=Timestamp(seconds=1_800_000_000),
    )
    if index % 50 == 7:
        result.state = jobs_pb2.ITEM_STATE_FAILED
        result.error.CopyFrom(jobs_pb2.Error(reason="TIMEOUT", message="no response in 60 s"))
    else:
        words = " ".join(f"word{(index + place) % 977}" for place in range(28))
        result.output = f'{{"label":"label-{index % 9}","score":0.{index % 10},"text":"{words}"}}'
    return result


async def _serve(count: int) -> None:
    server = grpc.aio.server()
    gateway_pb2_grpc.add_GatewayServiceServicer_to_server(Gateway(count), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
