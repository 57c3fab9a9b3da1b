"""A read of the results of a job: selects them, and opens it as often as it is wanted."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from headrace._messages.conversion import to_job, to_result
from headrace._messages.request_building import build_request
from headrace._reading.result_following import follow_results
from headrace._reading.result_position import ResultPosition
from headrace._reading.result_reading import read_results
from headrace._reading.typed_outputs import OutputType
from headrace._transport.connection import GatewayConnection
from headrace._transport.timeouts import within
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.resources import Job, Result


@dataclass(frozen=True)
class ResultQuery:
    """Selects results of a job.

    Attributes:
        connection: Connection to read from.
        job_id: UUID of the job.
        follow: Whether to read later results too, until the job has ended.
        item_state: State of the results, as in the proto. 0: all.
        include_inputs: Whether results bring their inputs.
        output_type: Type that outputs become. None: they stay JSON values.
        timeout: Seconds for each call; for the whole stream with ``follow``. None: that of the connection for
            calls, and no limit for a stream.

    Raises:
        InvalidArgumentError: A request cannot hold one of the values.
    """

    connection: GatewayConnection
    job_id: str
    follow: bool
    item_state: int
    include_inputs: bool
    output_type: OutputType | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        self._request()  # refuses a wrong argument at once
        self.connection.limited_to(self.timeout)

    async def job(self) -> Job:
        """Returns the current snapshot of the job."""
        request = build_request(gateway_pb2.GetJobRequest, job_id=self.job_id)
        response = await self.connection.call(self.connection.stub.GetJob, request, self.timeout)
        return to_job(response.job)

    def batches(self, position: ResultPosition) -> AsyncGenerator[list[jobs_pb2.Result], None]:
        """Yields the results from a position on, as they come from the gateway."""
        request = self._request()
        if isinstance(request, gateway_pb2.StreamResultsRequest):
            return within(follow_results(self.connection, request, position), self.timeout)
        return read_results(self.connection.limited_to(self.timeout), request, position)

    def _request(self) -> gateway_pb2.StreamResultsRequest | gateway_pb2.GetResultsRequest:
        fields: dict[str, Any] = {
            "job_id": self.job_id,
            "item_state": self.item_state,
            "include_inputs": self.include_inputs,
        }
        if self.follow:
            return build_request(gateway_pb2.StreamResultsRequest, **fields)
        return build_request(gateway_pb2.GetResultsRequest, **fields)

    async def results(self) -> AsyncGenerator[Result[Any], None]:
        """Yields the results one by one, with outputs of the wanted type."""
        async with aclosing(self.batches(ResultPosition())) as batches:
            async for batch in batches:
                for message in batch:
                    yield self.typed(to_result(message))

    def typed(self, result: Result[Any]) -> Result[Any]:
        """Returns a result with its output as the wanted type."""
        return result if self.output_type is None else self.output_type.apply(result)

    def written(self, message: jobs_pb2.Result) -> Result[Any]:
        """Returns the result in a message in the form in which it is written to a file."""
        result = self.typed(to_result(message))
        return result if self.output_type is None else self.output_type.as_text(result)
