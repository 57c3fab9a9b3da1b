"""Calls that read jobs, their items and their results."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, overload

from headrace._client.base import ClientBase
from headrace._messages.conversion import to_failure_group, to_job
from headrace._messages.enum_names import from_item_state
from headrace._messages.json_text import JsonText, decode
from headrace._messages.request_building import build_request
from headrace._reading.item_reading import read_job_items
from headrace._reading.job_listing import list_jobs, list_request
from headrace._reading.results import Results, open_results
from headrace._reading.typed_outputs import OnMismatch
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import FailureGroup, Item, ItemState, Job, JobState

OutputT = TypeVar("OutputT")


class ReadingCalls(ClientBase):
    """Reads jobs, items and results."""

    async def get(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Returns the current snapshot of a job.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetJob, request, timeout)
        return to_job(response.job)

    async def params(self, job_id: str, *, as_text: bool = False, timeout: float | None = None) -> Any:
        """Returns the params of a job, as submitted.

        Args:
            job_id: UUID of the job.
            as_text: Whether to return their unchanged JSON text, a JsonText, which ``submit`` takes too.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetJobRequest, job_id=job_id, include_params=True)
        text = (await self._connection.call(self._connection.stub.GetJob, request, timeout)).params
        return JsonText(text) if as_text else decode(text)

    def list(
        self,
        *,
        states: Iterable[JobState | str] = (),
        kind: str = "",
        labels: Mapping[str, str] | None = None,
        name: str = "",
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        finished_after: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Yields the tenant's jobs, newest first, page by page.

        Args:
            states: States to include, by name in any case. Default: all.
            kind: Kind to include. Default: all.
            labels: Labels that a job must have, all of them. Default: any.
            name: Name to include. Default: any.
            created_after: Earliest creation, with a time zone. Default: no bound.
            created_before: Creation before this time, with a time zone. Default: no bound.
            finished_after: Earliest end, with a time zone. Default: no bound.
            page_size: Jobs per call, up to 1,000. Default: the gateway's choice.
            timeout: Seconds for each call of a page. Default: that of the client.

        Raises:
            InvalidArgumentError: A state is unknown, or the gateway refuses an argument.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = list_request(
            states=states,
            kind=kind,
            labels=labels,
            name=name,
            created_after=created_after,
            created_before=created_before,
            finished_after=finished_after,
            page_size=page_size,
        )
        return list_jobs(self._connection.limited_to(timeout), request)

    @overload
    def results(
        self,
        job_id: str,
        *,
        follow: bool = False,
        item_state: ItemState | str | None = None,
        include_inputs: bool = False,
        output_type: None = None,
        on_mismatch: OnMismatch = "raise",
        timeout: float | None = None,
    ) -> Results[Any]: ...

    @overload
    def results(
        self,
        job_id: str,
        *,
        follow: bool = False,
        item_state: ItemState | str | None = None,
        include_inputs: bool = False,
        output_type: type[OutputT],
        on_mismatch: OnMismatch = "raise",
        timeout: float | None = None,
    ) -> Results[OutputT | None]: ...

    def results(
        self,
        job_id: str,
        *,
        follow: bool = False,
        item_state: ItemState | str | None = None,
        include_inputs: bool = False,
        output_type: Any = None,
        on_mismatch: OnMismatch = "raise",
        timeout: float | None = None,
    ) -> Results[Any]:
        """Yields a job's results, each once. ``Results`` also writes them to files and tables.

        Args:
            job_id: UUID of the job.
            follow: False: results recorded so far, ordered by item_index. True: also later ones, in the order
                of recording, until the job has ended. The stream is read only as fast as you iterate.
            item_state: State of the results to include. Default: all.
            include_inputs: Whether each result brings the input of its item.
            output_type: Type that each output becomes: a pydantic model, a dataclass, a TypedDict, or any
                other type that pydantic can validate. Default: outputs are JSON values.
            on_mismatch: "raise": an output that is not of the type raises, naming item and field. "fail": its
                result is FAILED, with the reason OUTPUT_MISMATCH, and keeps the ``output_text``. The stored
                result stays as it is.
            timeout: Seconds for each call of a page; with ``follow``, for the whole stream. Default: that of
                the client; with ``follow``, no limit.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``timeout``, or ``resume_timeout`` with follow.
            OutputMismatchError: An output is not of the output_type.
            InvalidArgumentError: An argument is wrong, or pydantic cannot validate the output_type.
        """
        return open_results(
            self._connection,
            job_id,
            follow=follow,
            item_state=from_item_state(item_state),
            include_inputs=include_inputs,
            output_type=output_type,
            on_mismatch=on_mismatch,
            timeout=timeout,
        )

    def items(
        self,
        job_id: str,
        *,
        indexes: Iterable[int] = (),
        keys: Iterable[Any] = (),
        timeout: float | None = None,
    ) -> AsyncGenerator[Item, None]:
        """Yields items of a job with their results, ordered by index: named ones, or all stored so far.

        Items that the job does not have are left out. Names beyond 1,000 take more calls, and items are
        ordered within each.

        Args:
            job_id: UUID of the job.
            indexes: Items to include, by their index.
            keys: Items to include too, by their key. Default, with no indexes: all items.
            timeout: Seconds for each call of a page. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway answered for ``timeout``.
        """
        return read_job_items(self._connection.limited_to(timeout), job_id, indexes, keys)

    async def failures(self, job_id: str, *, timeout: float | None = None) -> Sequence[FailureGroup]:
        """Returns the failed items of a job by reason, largest group first: the 50 largest groups.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetFailuresRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetFailures, request, timeout)
        return [to_failure_group(group) for group in response.groups]
