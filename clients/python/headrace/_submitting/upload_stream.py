"""One stream of an upload: sends batches, receives counts of stored items."""

import asyncio
from contextlib import suppress

import grpc

from headrace._messages.conversion import to_job
from headrace._submitting.upload_window import UploadWindow
from headrace._transport.connection import GatewayConnection
from headrace._transport.resumption import Resumption
from headrace._transport.server_status import ServerStatus
from headrace.errors import AbortedError, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from headrace.resources import Job

# An open upload is UPLOADING and never one of these, so a job in one of them has all its items.
_CLOSED_STATES = frozenset(
    {jobs_pb2.JOB_STATE_PENDING, jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_SUCCEEDED}
)


class UploadStream:
    """One AppendItems call, from the first request to its end or break. Runs once.

    Args:
        connection: Connection to call on. Its timeout limits the wait for each expected response.
        job_id: Job submitted with upload.
        window: Source of the batches. Learns the number of stored items.
        resumption: Learns the health of the stream.

    Attributes:
        closed_job: The job after it has all its items and the upload is closed. None before.
    """

    def __init__(
        self, connection: GatewayConnection, job_id: str, window: UploadWindow, resumption: Resumption
    ) -> None:
        self.closed_job: Job | None = None
        self._connection = connection
        self._job_id = job_id
        self._window = window
        self._resumption = resumption
        self._call = connection.stub.AppendItems(metadata=connection.metadata)
        self._status = ServerStatus(self._call)
        self._silence = asyncio.timeout(connection.timeout)
        self._is_half_closed = False

    async def run(self) -> None:
        """Sends batches until the upload is closed, or every item that could be read is stored.

        Raises:
            HeadraceError: The gateway refused a request, or the stream broke.
        """
        self._resumption.begin_stream()
        try:
            async with self._silence:
                with self._connection.errors_of_calls():
                    await self._run_call()
        except TimeoutError:
            seconds = self._connection.timeout
            raise UnavailableError(f"no response to an upload within {seconds:g} s") from None
        finally:
            self._call.cancel()

    async def _run_call(self) -> None:
        try:
            await self._begin()
            await self._exchange()
        except grpc.aio.AioRpcError as error:
            raise await self._status.error_behind(error) from None

    async def _begin(self) -> None:
        await self._write(gateway_pb2.AppendItemsRequest(job_id=self._job_id))
        response = await self._call.read()
        if not isinstance(response, gateway_pb2.AppendItemsResponse):
            raise UnavailableError("the stream ended before its first response")
        self._resumption.open_stream()
        if not self._window.rewind(response.stored_count, response.job.state in _CLOSED_STATES):
            raise AbortedError(
                f"{self._window.stored_count:,} items were stored, and {response.stored_count:,} remain: "
                "submit again with the same request_id",
                reason=ErrorReason.UPLOAD_OFFSET,
                metadata={"stored_count": str(response.stored_count)},
            )
        self._note_response()

    async def _exchange(self) -> None:
        sending = asyncio.create_task(self._send())
        try:
            await self._read_responses()
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    async def _send(self) -> None:
        while (batch := await self._window.take()) is not None:
            self._expect_response()
            await self._write(batch)
        self._is_half_closed = True
        self._expect_response()
        if self._window.error is None:
            finish = gateway_pb2.UploadFinish(total_count=self._window.read_count)
            await self._write(gateway_pb2.AppendItemsRequest(finish=finish))
        await self._call.done_writing()

    async def _write(self, request: gateway_pb2.AppendItemsRequest) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the next read raises the reason
            await self._call.write(request)

    async def _read_responses(self) -> None:
        while isinstance(response := await self._call.read(), gateway_pb2.AppendItemsResponse):
            if response.stored_count > self._window.stored_count:
                self._resumption.note_news()
            self._window.acknowledge(response.stored_count)
            if response.HasField("job") and self._is_half_closed and self._window.error is None:
                self.closed_job = to_job(response.job)
            self._note_response()
        if self.closed_job is None and self._window.error is None:
            raise UnavailableError("the stream ended before the upload did")

    def _expect_response(self) -> None:
        """Starts the timeout of a response, unless it runs already."""
        if self._silence.when() is None:
            self._resumption.expect_news()
            self._silence.reschedule(asyncio.get_running_loop().time() + self._connection.timeout)

    def _note_response(self) -> None:
        """Restarts the timeout if another response is expected, or else stops it."""
        is_expected = self._window.has_sent or self._is_half_closed
        wait_end = asyncio.get_running_loop().time() + self._connection.timeout
        self._silence.reschedule(wait_end if is_expected else None)
