"""The messages of one watch, from the first snapshot to the terminal one."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.resume_tokens import resume_token
from services.gateway.store import StoreClient
from services.gateway.watching.hub import Hub
from services.shared.job_states import TERMINAL_STATES


async def watch_job(
    hub: Hub,
    store: StoreClient,
    job_id: str,
    tenant: str,
    after_seq: int,
    *,
    on_found: Callable[[], Awaitable[None]],
) -> AsyncGenerator[gateway_pb2.WatchJobResponse, None]:
    """Yields a job's snapshots with a greater seq, up to the terminal one; fast ones merge to the newest.

    Args:
        hub: Hub that receives the job's snapshots.
        store: Store to read the first snapshot from, unless the job was created here just now.
        job_id: Job id in canonical form.
        tenant: Owner of the job.
        after_seq: Last seq that the reader has seen; 0: none. The snapshot of a terminal job is yielded even
            if its seq is not greater.
        on_found: Called once the job is known to exist. A resumed watch may wait long for its first message.

    Raises:
        NotFoundError: The tenant has no such job, or, at any time, the job was purged.
        UnavailableError: STORE_UNAVAILABLE, before the first message; GATEWAY_STOPPING, at any time.
    """
    # Watch first and read second: a change in between reaches the watcher.
    with hub.watch(job_id, after_seq) as watcher:
        job = None if after_seq else hub.recent.find(job_id, tenant)
        if job is None:
            job = await store.get_job(job_id, tenant)
        await on_found()
        if job.state in TERMINAL_STATES:
            token = resume_token(job_id, job.seq)
            yield gateway_pb2.WatchJobResponse(job=job, resume_token=token)
            return
        # A seq that the store never reached, such as one from before a restore, must not hide the end.
        watcher.seen_seq = min(watcher.seen_seq, job.seq)
        hub.put_jobs([job])
        while True:
            response = await watcher.next()
            yield response
            if response.job.state in TERMINAL_STATES:
                return
