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
from services.gateway.deletion import delete_job
from services.gateway.effects import EffectRunner
from services.gateway.item_pages import get_items
from services.gateway.requests.actors import actor_of
from services.gateway.requests.cursors import ResultsQuery
from services.gateway.requests.fields import NO_NUL, canonical_job_id, page_size_or, tenant_of
from services.gateway.requests.job_search import check_timestamps, job_search
from services.gateway.requests.jobs_tokens import jobs_position
from services.gateway.requests.labels import check_name_and_labels
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.request_rules import check_rules, violations_of
from services.gateway.requests.resume_tokens import resume_seq
from services.gateway.requests.submission import Submissions
from services.gateway.requests.updates import new_update
from services.gateway.requests.usage_query import usage_query
from services.gateway.store import StoreClient
from services.gateway.uploads.uploads import Uploads
from services.gateway.watching.hub import Hub
from services.gateway.watching.many_jobs.change_feeds import ChangeFeeds
from services.gateway.watching.many_jobs.job_filter import JobFilter
from services.gateway.watching.many_jobs.jobs_stream import watch_jobs
from services.gateway.watching.result_stream import stream_results
from services.gateway.watching.watch_stream import watch_job
from services.stubs.results.v1 import results_pb2

Context = grpc.aio.ServicerContext[Any, Any]

_VERSION_METADATA = (("headrace-version", __version__),)
_DEFAULT_RESULTS_PER_PAGE = 100
_DEFAULT_EVENTS_PER_PAGE = 100


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """The public API; the proto documents each call.

    Args:
        store: Client of the results service.
        creator: Stores submitted jobs.
        uploads: Runs upload streams.
        effects: Carries out the effects of transitions.
        hub: Snapshots and live numbers of watched jobs.
        feeds: Changes of the jobs of watched tenants.
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
        feeds: ChangeFeeds,
        submissions: Submissions,
    ) -> None:
        self._store = store
        self._creator = creator
        self._uploads = uploads
        self._effects = effects
        self._hub = hub
        self._feeds = feeds
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
        job_id, tenant = canonical_job_id(request.job_id), tenant_of(context)
        if request.include_params:
            found = await self._store.get_params(job_id, tenant)
            return gateway_pb2.GetJobResponse(job=found.job, params=found.params)
        return gateway_pb2.GetJobResponse(job=await self._store.get_job(job_id, tenant))

    async def ListJobs(
        self, request: gateway_pb2.ListJobsRequest, context: Context
    ) -> gateway_pb2.ListJobsResponse:
        """Returns a page of jobs; see the proto."""
        violations = await violations_of(request)
        if "\0" in request.kind:
            violations.add("kind", NO_NUL)
        check_name_and_labels(request.name, request.labels, violations)
        check_timestamps(request, violations)
        violations.raise_if_any()
        query, search = job_search(request, tenant_of(context))
        page = await self._store.list_jobs(search)
        token = query.page_token(page.next_before_job_id or page.jobs[-1].job_id) if page.has_more else ""
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

    async def WatchJobs(
        self, request: gateway_pb2.WatchJobsRequest, context: Context
    ) -> AsyncIterator[gateway_pb2.WatchJobsResponse]:
        """Streams the jobs of the tenant that change; see the proto."""
        violations = await violations_of(request)
        check_name_and_labels("", request.labels, violations)
        violations.raise_if_any()
        position = jobs_position(request.resume_token)
        job_filter = JobFilter(frozenset(request.states), request.kind, dict(request.labels))
        on_found = partial(context.send_initial_metadata, ())
        stores = (self._feeds, self._store)
        responses = watch_jobs(*stores, tenant_of(context), job_filter, position, on_found=on_found)
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
                include_inputs=request.include_inputs,
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
        responses = stream_results(
            self._hub,
            self._store,
            query,
            tenant,
            after,
            include_inputs=request.include_inputs,
            on_found=on_found,
        )
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def GetItems(
        self, request: gateway_pb2.GetItemsRequest, context: Context
    ) -> gateway_pb2.GetItemsResponse:
        """Returns a page of items with their results; see the proto."""
        return await get_items(self._store, request, tenant_of(context))

    async def CancelJob(
        self, request: gateway_pb2.CancelJobRequest, context: Context
    ) -> gateway_pb2.CancelJobResponse:
        """Cancels a job; see the proto."""
        await check_rules(request)
        response = await self._store.cancel_job(
            canonical_job_id(request.job_id), tenant_of(context), actor_of(context)
        )
        self._effects.carry_out(response.effects)
        return gateway_pb2.CancelJobResponse(job=response.job)

    async def PauseJob(
        self, request: gateway_pb2.PauseJobRequest, context: Context
    ) -> gateway_pb2.PauseJobResponse:
        """Pauses a job; see the proto."""
        await check_rules(request)
        response = await self._store.pause_job(
            canonical_job_id(request.job_id), tenant_of(context), actor_of(context)
        )
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
                actor=actor_of(context),
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
                item_keys=request.item_keys,
                actor=actor_of(context),
            )
        )
        self._effects.carry_out(response.effects)
        return gateway_pb2.RetryJobResponse(job=response.job)

    async def UpdateJob(
        self, request: gateway_pb2.UpdateJobRequest, context: Context
    ) -> gateway_pb2.UpdateJobResponse:
        """Changes a job; see the proto."""
        update = await new_update(request, tenant_of(context))
        update.actor = actor_of(context)
        if update.HasField("budget_micros"):
            found = await self._store.get_params(update.job_id, update.tenant)
            await self._submissions.check_price(found.job.kind, found.params)
        response = await self._store.update_job(update)
        self._effects.carry_out(response.effects)
        return gateway_pb2.UpdateJobResponse(job=response.job)

    async def DeleteJob(
        self, request: gateway_pb2.DeleteJobRequest, context: Context
    ) -> gateway_pb2.DeleteJobResponse:
        """Deletes a job; see the proto."""
        await check_rules(request)
        await delete_job(
            self._store,
            self._effects,
            results_pb2.DeleteJobRequest(
                job_id=canonical_job_id(request.job_id),
                tenant=tenant_of(context),
                force=request.force,
                actor=actor_of(context),
            ),
        )
        return gateway_pb2.DeleteJobResponse()

    async def GetFailures(
        self, request: gateway_pb2.GetFailuresRequest, context: Context
    ) -> gateway_pb2.GetFailuresResponse:
        """Groups the failed items of a job by reason; see the proto."""
        await check_rules(request)
        groups = await self._store.list_failure_reasons(canonical_job_id(request.job_id), tenant_of(context))
        return gateway_pb2.GetFailuresResponse(groups=groups)

    async def ListJobEvents(
        self, request: gateway_pb2.ListJobEventsRequest, context: Context
    ) -> gateway_pb2.ListJobEventsResponse:
        """Returns a page of a job's history; see the proto."""
        await check_rules(request)
        job_id, tenant = canonical_job_id(request.job_id), tenant_of(context)
        query = PagedQuery("ListJobEvents", tenant, job_id)
        page = await self._store.list_job_events(
            results_pb2.ListJobEventsRequest(
                job_id=job_id,
                tenant=tenant,
                page_size=page_size_or(_DEFAULT_EVENTS_PER_PAGE, request.page_size),
                after_number=query.index_position(request.page_token),
            )
        )
        token = query.page_token(page.events[-1].number) if page.has_more else ""
        return gateway_pb2.ListJobEventsResponse(events=page.events, next_page_token=token)

    async def GetUsage(
        self, request: gateway_pb2.GetUsageRequest, context: Context
    ) -> gateway_pb2.GetUsageResponse:
        """Sums the usage of a tenant; see the proto."""
        found = await self._store.get_usage(await usage_query(request, tenant_of(context)))
        return gateway_pb2.GetUsageResponse(groups=found.groups, total=found.total)

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
