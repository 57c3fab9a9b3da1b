"""Runs attempts of items as tasks."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from services.stubs.results.v1 import results_pb2
from services.worker.calls.allowance import Allowance
from services.worker.items.attempts.item_outcome import ItemOutcome, fault_outcome
from services.worker.items.item_slots import ItemSlots
from services.worker.items.leased_work import LeasedItem
from services.worker.items.live_numbers import LiveNumbers
from services.worker.items.quarantine import ChildDiedError, ChildNotStartedError
from services.worker.items.tenant_work import TenantWork
from services.worker.metrics import ITEMS_IN_FLIGHT

# Time that cancelled attempts get to end when the worker drains, in seconds.
CANCEL_SECONDS = 5.0

AttemptEnded = Callable[[LeasedItem, ItemOutcome | None, BaseException | None], None]


class AttemptRunner(Protocol):
    """Makes attempts of items."""

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None
    ) -> ItemOutcome:
        """Makes one attempt of an item, within the amount that the calls of its chunk may still cost."""


class ItemsInFlight:
    """Runs attempts while slots are free, and counts them by tenant and by job.

    Args:
        runner: Makes the attempts.
        quarantine: Makes the attempts of quarantined items.
        tenant_work: Counts the items in flight of each tenant.
        live: Counts the attempts of each job.
        slots: Slots of items.
        may_start: Whether new items may start: the worker counts as live.
    """

    def __init__(
        self,
        runner: AttemptRunner,
        quarantine: AttemptRunner,
        tenant_work: TenantWork,
        live: LiveNumbers,
        *,
        slots: ItemSlots,
        may_start: Callable[[], bool],
    ) -> None:
        self._runner = runner
        self._quarantine = quarantine
        self._tenant_work = tenant_work
        self._live = live
        self._slots = slots
        self._may_start = may_start
        self._tasks: set[asyncio.Task[ItemOutcome]] = set()

    @property
    def count(self) -> int:
        """Items in flight."""
        return len(self._tasks)

    def may_start(self) -> bool:
        """Returns whether another item may start: a slot is free. Items waiting for a limit hold none."""
        return self._slots.has_free_slot and self._may_start()

    @property
    def is_full(self) -> bool:
        """Whether only slots of the reserve are free, which opens as time passes."""
        return self._slots.is_full

    def may_start_of(self, tenant: str) -> bool:
        """Returns whether a slot is free for an item of a tenant."""
        return self._slots.may_start(tenant)

    def start(self, item: LeasedItem, ended: AttemptEnded) -> None:
        """Starts an attempt of an item.

        Args:
            item: The item.
            ended: Called at the end with the item, the outcome and the fault. Both are None if the attempt
                was cancelled. Only the fault is set if there was no child process to run it, or it died.
        """
        chunk, spec = item.chunk, item.chunk.job.spec
        runner = self._quarantine if chunk.quarantined else self._runner
        task = asyncio.create_task(runner.run(spec, item.message, chunk.allowance))
        item.task = task
        chunk.job.in_flight_count += 1
        self._tasks.add(task)
        ITEMS_IN_FLIGHT.inc()
        self._slots.started(spec.tenant, spec.job_id)
        if not chunk.quarantined:
            self._tenant_work.started(spec)
        self._live.started(spec.job_id)
        # Not done by the task itself: cancelled before its first step, it would run none of its code.
        task.add_done_callback(partial(self._ended, item, ended))

    async def drain(self, grace_seconds: float) -> None:
        """Lets attempts end within the grace period, then cancels the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        cancelled = set(self._tasks)
        for task in cancelled:
            task.cancel()
        if cancelled:
            await asyncio.wait(cancelled, timeout=CANCEL_SECONDS)

    def _ended(self, item: LeasedItem, ended: AttemptEnded, task: asyncio.Task[ItemOutcome]) -> None:
        spec = item.chunk.job.spec
        fault = None if task.cancelled() else task.exception()
        outcome = None
        if fault is not None and not isinstance(fault, (ChildDiedError, ChildNotStartedError)):
            outcome, fault = fault_outcome(spec, item.message, fault), None
        elif fault is None and not task.cancelled():
            outcome = task.result()
        self._tasks.discard(task)
        ITEMS_IN_FLIGHT.dec()
        self._slots.ended(spec.tenant, spec.job_id)
        item.task = None
        item.chunk.job.in_flight_count -= 1
        if not item.chunk.quarantined:
            self._tenant_work.ended(spec)
        self._live.ended(spec.job_id, outcome, item.message.usage)
        ended(item, outcome, fault)
