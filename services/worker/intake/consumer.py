"""Consumes tasks with Dramatiq: the actor, and the threads that run it."""

import asyncio

import dramatiq

from services.shared.logging import get_logger
from services.shared.queue.contract import ADVANCE_JOB, QUEUE_BY_CLASS
from services.worker.intake.host_loop import HostLoop
from services.worker.intake.lease_loop import LeaseLoop

log = get_logger(__name__)

# Tasks of a queue delivered to a worker at once. A delivered task always has a thread.
QUEUE_PREFETCH = 4
WORKER_THREADS = len(QUEUE_BY_CLASS) * QUEUE_PREFETCH
STOP_SECONDS = 5.0


class Consumer:
    """Consumes the tasks of all classes. Each starts a run of the lease loop on this process's asyncio loop.

    Args:
        broker: Broker with the queues of all classes declared. The host loop and the actor are added to it.
        lease_loop: Run by the actor.
    """

    def __init__(self, broker: dramatiq.Broker, lease_loop: LeaseLoop) -> None:
        self._broker = broker
        self._worker: dramatiq.Worker | None = None

        async def advance_job(job_id: str, job_class: int) -> None:
            # Never raises: a failed message would be kept and retried, and it is only a wake-up.
            try:
                await lease_loop.run_task(job_id, job_class)  # type: ignore[arg-type]  # an enum's number
            except Exception:
                log.exception("task_failed", job_id=job_id)

        # One actor serves all queues: Dramatiq finds it by name, and each message names its queue.
        declare = dramatiq.actor(
            actor_name=ADVANCE_JOB, queue_name=next(iter(QUEUE_BY_CLASS.values())), broker=broker
        )
        declare(advance_job)

    async def start(self) -> None:
        """Starts the threads."""
        self._broker.add_middleware(HostLoop(asyncio.get_running_loop()))
        worker = dramatiq.Worker(
            self._broker,
            queues=set(QUEUE_BY_CLASS.values()),
            worker_threads=WORKER_THREADS,
            worker_timeout=200,
        )
        worker.queue_prefetch = QUEUE_PREFETCH
        worker.delay_prefetch = 1
        await asyncio.to_thread(self._broker.emit_after, "process_boot")
        await asyncio.to_thread(worker.start)
        self._worker = worker

    async def stop(self) -> None:
        """Stops consuming. Unfinished messages return to their queues, and the broker stays open."""
        if self._worker is not None:
            await asyncio.to_thread(self._worker.stop, int(STOP_SECONDS * 1000))
            self._worker = None
