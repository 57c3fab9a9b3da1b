"""Deletes a job, and waits until it is gone."""

import asyncio

from headrace.errors import NotFoundError
from services.gateway.effects import EffectRunner
from services.gateway.store import StoreClient
from services.shared.logging import get_logger, job_fields
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

# Time for which a call waits for workers to return a job, in seconds. Then it is deleted without the caller.
WAIT_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


async def delete_job(
    store: StoreClient, effects: EffectRunner, request: results_pb2.DeleteJobRequest
) -> None:
    """Deletes a job. If workers hold items of it, waits for them, up to WAIT_SECONDS.

    Raises:
        NotFoundError: The tenant has no such job.
        FailedPreconditionError: JOB_NOT_ENDED.
    """
    response = await store.delete_job(request)
    effects.carry_out(response.effects)
    if response.gone:
        return
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await _wait_until_gone(store, request)
    except NotFoundError:
        return
    except TimeoutError:
        log.info("job_deletion_waits", **job_fields(request.job_id, request.tenant, ""))


async def _wait_until_gone(store: StoreClient, request: results_pb2.DeleteJobRequest) -> None:
    """Returns never: it raises NotFoundError once the job is gone."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        await asyncio.sleep(pause)
        await store.get_job(request.job_id, request.tenant)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
