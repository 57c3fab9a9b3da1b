"""Translates between the public API and the parts of the gateway."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
import uuid_utils

from headrace import __version__
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from services.gateway.creation import JobCreator
from services.gateway.effects import EffectRunner
from services.gateway.requests.cursors import ResultsQuery
from services.gateway.requests.fields import NO_NUL, canonical_job_id, page_size_or, tenant_of
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.request_rules import check_rules, violations_of
from services.gateway.requests.resume_tokens import resume_seq
from services.gateway.requests.submission import Submissions
from services.gateway.store import StoreClient
from services.gateway.uploads.uploads import Uploads
from services.gateway.watching.hub import Hub
from services.gateway.watching.result_stream import stream_results
from services.gateway.watching.watch_stream import watch_job
from services.stubs.results.v1 import results_pb2

Context = grpc.aio.ServicerContext[Any, Any]

_VERSION_METADATA = (("headrace-version", __version__),)
_DEFAULT_JOBS_PER_PAGE = 50
_DEFAULT_RESULTS_PER_PAGE = 100


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """The public API; the proto documents each call.

    Args:
        store: Client of the results service.
        creator: Stores submitted jobs.
        uploads: Runs upload streams.
        effects: Carries out the effects of transitions.
        hub: Snapshots and live numbers of watched jobs.
        submissions: Checks submitted jobs.
    """

    def __init__(
        self,
        store: StoreClient,
        creator: JobCreator,
        uploads: Uploads,
        effects: EffectRunner,
        *,
        hub: Hub,
        submissions: Submissions,
    ) -> None:
        self._store = store
        self._creator = creator
        self._uploads = uploads
        self._effects = effects
        self._hub = hub
        self._submissions = submissions
        self._kinds_response = gateway_pb2.ListKindsResponse(kinds=submissions.list_kinds())

    async def SubmitJob(
        self, request: gateway_pb2.SubmitJobRequest, context: Context
    ) -> gateway_pb2.SubmitJobResponse:
        """Stores a job, or only estimates it; see the proto."""
        warnings: list[str] = []
        job = await self._submissions.new_job(request, tenant_of(context), warnings)
        if request.validate_only:
            estimate = await self._submissions.estimate(job)
            return gateway_pb2.SubmitJobResponse(estimate=estimate, warnings=warnings)
        return gateway_pb2.SubmitJobResponse(job=await self._creator.create(job), warnings=warnings)

    async def AppendItems(
        self, request_iterator: AsyncIterable[gateway_pb2.AppendItemsRequest], context: Context
    ) -> AsyncIterator[gateway_pb2.AppendItemsResponse]:
        """Adds items to an upload; see the proto."""
        responses = self._uploads.append_items(request_iterator, partial(tenant_of, context))
        await context.send_initial_metadata(())  # some clients send nothing before they have it
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def GetJob(
        self, request: gateway_pb2.GetJobRequest, context: Context
    ) -> gateway_pb2.GetJobResponse:
        """Returns a job; see the proto."""
        await check_rules(request)
        job = await self._store.get_job(canonical_job_id(request.job_id), tenant_of(context))
        return gateway_pb2.GetJobResponse(job=job)

    async def ListJobs(
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

    async def WatchJob(
        self, request: gateway_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[gateway_pb2.WatchJobResponse]:
        """Streams a job's snapshots; see the proto."""
        await check_rules(request)
        job_id = canonical_job_id(request.job_id)
        after_seq = resume_seq(request.resume_token, job_id)
        tenant = tenant_of(context)
        on_found = partial(context.send_initial_metadata, ())
        responses = watch_job(self._hub, self._store, job_id, tenant, after_seq, on_found=on_found)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def GetResults(
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

    async def StreamResults(
        self, request: gateway_pb2.StreamResultsRequest, context: Context
    ) -> AsyncIterator[gateway_pb2.StreamResultsResponse]:
        """Streams results as they are recorded; see the proto."""
        await check_rules(request)
        query = ResultsQuery(canonical_job_id(request.job_id), request.item_state)
        after = query.position(request.cursor)
        tenant = tenant_of(context)
        on_found = partial(context.send_initial_metadata, ())
        responses = stream_results(self._hub, self._store, query, tenant, after, on_found=on_found)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def CancelJob(
        self, request: gateway_pb2.CancelJobRequest, context: Context
    ) -> gateway_pb2.CancelJobResponse:
        """Cancels a job; see the proto."""
        await check_rules(request)
        response = await self._store.cancel_job(canonical_job_id(request.job_id), tenant_of(context))
        self._effects.carry_out(response.effects)
        return gateway_pb2.CancelJobResponse(job=response.job)

    async def PauseJob(
        self, request: gateway_pb2.PauseJobRequest, context: Context
    ) -> gateway_pb2.PauseJobResponse:
        """Pauses a job; see the proto."""
        await check_rules(request)
        response = await self._store.pause_job(canonical_job_id(request.job_id), tenant_of(context))
        self._effects.carry_out(response.effects)
        return gateway_pb2.PauseJobResponse(job=response.job)

    async def ResumeJob(
        self, request: gateway_pb2.ResumeJobRequest, context: Context
    ) -> gateway_pb2.ResumeJobResponse:
        """Resumes a paused job; see the proto."""
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

    async def RetryJob(
        self, request: gateway_pb2.RetryJobRequest, context: Context
    ) -> gateway_pb2.RetryJobResponse:
        """Starts a new round of a finished job; see the proto."""
        violations = await violations_of(request)
        if "\0" in request.request_id:
            violations.add("request_id", NO_NUL)
        if not violations.names("reasons"):
            for place, reason in enumerate(request.reasons):
                if "\0" in reason:
                    violations.add(f"reasons[{place}]", NO_NUL)
        violations.raise_if_any()
        response = await self._store.retry_job(
            results_pb2.RetryJobRequest(
                job_id=canonical_job_id(request.job_id),
                tenant=tenant_of(context),
                request_id=request.request_id or str(uuid_utils.uuid7()),
                reasons=request.reasons,
                item_indexes=request.item_indexes,
            )
        )
        self._effects.carry_out(response.effects)
        return gateway_pb2.RetryJobResponse(job=response.job)

    async def GetFailures(
        self, request: gateway_pb2.GetFailuresRequest, context: Context
    ) -> gateway_pb2.GetFailuresResponse:
        """Groups the failed items of a job by reason; see the proto."""
        await check_rules(request)
        groups = await self._store.list_failure_reasons(canonical_job_id(request.job_id), tenant_of(context))
        return gateway_pb2.GetFailuresResponse(groups=groups)

    async def ListKinds(
        self, request: gateway_pb2.ListKindsRequest, context: Context
    ) -> gateway_pb2.ListKindsResponse:
        """Returns the kinds; see the proto."""
        context.set_trailing_metadata(_VERSION_METADATA)
        return self._kinds_response

    async def ListWorkers(
        self, request: gateway_pb2.ListWorkersRequest, context: Context
    ) -> gateway_pb2.ListWorkersResponse:
        """Returns the workers; see the proto."""
        return gateway_pb2.ListWorkersResponse(workers=(await self._store.list_workers()).workers)
