"""GatewayService: translates between the public API and the parts that do the work."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
import uuid_utils

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Kind, params_schema, validate_params
from services.gateway.creation import JobCreator
from services.gateway.effects import EffectRunner
from services.gateway.requests.cursors import ResultsOfJob
from services.gateway.requests.fields import NO_NUL, canonical_job_id, page_size_or, tenant_of
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.request_rules import check_rules, violations_of
from services.gateway.requests.resume_tokens import resume_seq
from services.gateway.requests.submission import new_job
from services.gateway.store import StoreClient
from services.gateway.uploads.uploads import Uploads
from services.gateway.watching.hub import Hub
from services.gateway.watching.result_stream import stream_results
from services.gateway.watching.watch_stream import watch_job
from services.stubs.results.v1 import results_pb2

Context = grpc.aio.ServicerContext[Any, Any]

_DEFAULT_JOBS_PER_PAGE = 50
_DEFAULT_RESULTS_PER_PAGE = 100


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """The public API.

    Args:
        store: The results service.
        creator: Stores submitted jobs.
        uploads: Runs upload streams.
        effects: Carries out what transitions ask for.
        hub: Where watchers hear of jobs.
        kinds: The kinds that jobs can name, by name.
        prices: Say what jobs would cost.
    """

    def __init__(
        self,
        store: StoreClient,
        creator: JobCreator,
        uploads: Uploads,
        effects: EffectRunner,
        hub: Hub,
        *,
        kinds: Mapping[str, Kind[Any]],
        prices: JobPrices,
    ) -> None:
        self._store = store
        self._creator = creator
        self._uploads = uploads
        self._effects = effects
        self._hub = hub
        self._kinds = kinds
        self._prices = prices
        self._kinds_response = gateway_pb2.ListKindsResponse(
            kinds=[
                jobs_pb2.Kind(name=name, description=kind.description, params_schema=params_schema(kind))
                for name, kind in sorted(kinds.items())
            ]
        )

    async def SubmitJob(  # noqa: N802
        self, request: gateway_pb2.SubmitJobRequest, context: Context
    ) -> gateway_pb2.SubmitJobResponse:
        """Stores a job, or says what it would take; see the proto."""
        job = await new_job(request, tenant_of(context), self._kinds, self._prices)
        if request.validate_only:
            kind = self._kinds[job.kind]
            params = validate_params(kind, job.params)
            estimate = await self._prices.estimate(kind, params, job.items)
            return gateway_pb2.SubmitJobResponse(estimate=estimate)
        return gateway_pb2.SubmitJobResponse(job=await self._creator.create(job))

    async def AppendItems(  # noqa: N802
        self, request_iterator: AsyncIterable[gateway_pb2.AppendItemsRequest], context: Context
    ) -> AsyncIterator[gateway_pb2.AppendItemsResponse]:
        """Adds items to an upload; see the proto."""
        answers = self._uploads.append_items(request_iterator, partial(tenant_of, context))
        await context.send_initial_metadata(())  # some clients send nothing before they have it
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def GetJob(  # noqa: N802
        self, request: gateway_pb2.GetJobRequest, context: Context
    ) -> gateway_pb2.GetJobResponse:
        """Returns a job; see the proto."""
        await check_rules(request)
        job = await self._store.get_job(canonical_job_id(request.job_id), tenant_of(context))
        return gateway_pb2.GetJobResponse(job=job)

    async def ListJobs(  # noqa: N802
        self, request: gateway_pb2.ListJobsRequest, context: Context
    ) -> gateway_pb2.ListJobsResponse:
        """Returns a page of jobs; see the proto."""
        violations = await violations_of(request)
        if "\0" in request.kind:
            violations.add("kind", NO_NUL)
        violations.raise_if_any()
        tenant = tenant_of(context)
        states = sorted(request.states)
        query = PagedQuery("ListJobs", tenant, states, request.kind)
        page = await self._store.list_jobs(
            results_pb2.ListJobsRequest(
                tenant=tenant,
                page_size=page_size_or(_DEFAULT_JOBS_PER_PAGE, request.page_size),
                before_job_id=query.job_position(request.page_token),
                states=states,
                kind=request.kind,
            )
        )
        token = query.page_token(page.jobs[-1].job_id) if page.has_more else ""
        return gateway_pb2.ListJobsResponse(jobs=page.jobs, next_page_token=token)

    async def WatchJob(  # noqa: N802
        self, request: gateway_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[gateway_pb2.WatchJobResponse]:
        """Streams a job's snapshots; see the proto."""
        await check_rules(request)
        job_id = canonical_job_id(request.job_id)
        after_seq = resume_seq(request.resume_token, job_id)
        tenant = tenant_of(context)

        async def answer_found() -> None:
            await context.send_initial_metadata(())

        responses = watch_job(self._hub, self._store, job_id, tenant, after_seq, on_found=answer_found)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def GetResults(  # noqa: N802
        self, request: gateway_pb2.GetResultsRequest, context: Context
    ) -> gateway_pb2.GetResultsResponse:
        """Returns a page of results; see the proto."""
        await check_rules(request)
        job_id, tenant = canonical_job_id(request.job_id), tenant_of(context)
        query = PagedQuery("GetResults", tenant, job_id, request.item_state)
        page = await self._store.list_results(
            results_pb2.ListResultsRequest(
                job_id=job_id,
                tenant=tenant,
                page_size=page_size_or(_DEFAULT_RESULTS_PER_PAGE, request.page_size),
                after_item_index=query.index_position(request.page_token),
                item_state=request.item_state,
            )
        )
        token = query.page_token(page.results[-1].item_index) if page.has_more else ""
        return gateway_pb2.GetResultsResponse(results=page.results, next_page_token=token)

    async def StreamResults(  # noqa: N802
        self, request: gateway_pb2.StreamResultsRequest, context: Context
    ) -> AsyncIterator[gateway_pb2.StreamResultsResponse]:
        """Streams results as they are recorded; see the proto."""
        await check_rules(request)
        wanted = ResultsOfJob(canonical_job_id(request.job_id), request.item_state)
        after = wanted.place(request.cursor)
        tenant = tenant_of(context)

        async def answer_found() -> None:
            await context.send_initial_metadata(())

        responses = stream_results(self._hub, self._store, wanted, tenant, after, on_found=answer_found)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def CancelJob(  # noqa: N802
        self, request: gateway_pb2.CancelJobRequest, context: Context
    ) -> gateway_pb2.CancelJobResponse:
        """Cancels a job; see the proto."""
        await check_rules(request)
        response = await self._store.cancel_job(canonical_job_id(request.job_id), tenant_of(context))
        self._effects.carry_out(response.effects)
        return gateway_pb2.CancelJobResponse(job=response.job)

    async def PauseJob(  # noqa: N802
        self, request: gateway_pb2.PauseJobRequest, context: Context
    ) -> gateway_pb2.PauseJobResponse:
        """Pauses a job; see the proto."""
        await check_rules(request)
        response = await self._store.pause_job(canonical_job_id(request.job_id), tenant_of(context))
        self._effects.carry_out(response.effects)
        return gateway_pb2.PauseJobResponse(job=response.job)

    async def ResumeJob(  # noqa: N802
        self, request: gateway_pb2.ResumeJobRequest, context: Context
    ) -> gateway_pb2.ResumeJobResponse:
        """Lets a paused job go on; see the proto."""
        await check_rules(request)
        response = await self._store.resume_job(
            results_pb2.ResumeJobRequest(
                job_id=canonical_job_id(request.job_id),
                tenant=tenant_of(context),
                budget_micros=request.budget_micros if request.HasField("budget_micros") else None,
            )
        )
        self._effects.carry_out(response.effects)
        return gateway_pb2.ResumeJobResponse(job=response.job)

    async def RetryJob(  # noqa: N802
        self, request: gateway_pb2.RetryJobRequest, context: Context
    ) -> gateway_pb2.RetryJobResponse:
        """Starts a new round of a finished job; see the proto."""
        violations = await violations_of(request)
        if "\0" in request.request_id:
            violations.add("request_id", NO_NUL)
        violations.raise_if_any()
        response = await self._store.retry_job(
            results_pb2.RetryJobRequest(
                job_id=canonical_job_id(request.job_id),
                tenant=tenant_of(context),
                request_id=request.request_id or str(uuid_utils.uuid7()),
            )
        )
        self._effects.carry_out(response.effects)
        return gateway_pb2.RetryJobResponse(job=response.job)

    async def ListKinds(  # noqa: N802
        self, request: gateway_pb2.ListKindsRequest, context: Context
    ) -> gateway_pb2.ListKindsResponse:
        """Returns the kinds; see the proto."""
        return self._kinds_response

    async def ListWorkers(  # noqa: N802
        self, request: gateway_pb2.ListWorkersRequest, context: Context
    ) -> gateway_pb2.ListWorkersResponse:
        """Returns the workers; see the proto."""
        return gateway_pb2.ListWorkersResponse(workers=(await self._store.list_workers()).workers)
