"""Decides whether an item of a job may start now."""

import asyncio
from collections.abc import Callable

from services.worker.items.capacity import RUN_SECONDS, Capacity
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.leased_work import LeasedJob, LeasedWork
from services.worker.items.live_numbers import ModelWaits
from services.worker.items.outage_pauses import OutagePauses
from services.worker.items.tenant_work import TenantWork
from services.worker.items.waiting_items import Recheck

# Longest time until a job that waits for its model is checked again, in seconds.
MAX_RECHECK_SECONDS = 1.0


class StartRules:
    """Rules of the model, the tenant and an outage for the start of items.

    Args:
        waits: Rate limits and cool-downs that keep items from starting.
        leased: The leased work.
        capacity: Notified when there may be more of it.
        tenant_work: Leased work of limited tenants.
        held_up: Jobs whose model may not be called now.
        outage_pauses: Asks for pauses of jobs whose provider is down.
        recheck: Has the rules asked again later.
        release: Releases the idle chunks of a job, which is not leased again for the given seconds.
    """

    def __init__(
        self,
        waits: ModelWaits,
        *,
        leased: LeasedWork,
        capacity: Capacity,
        tenant_work: TenantWork,
        held_up: HeldUpWork,
        outage_pauses: OutagePauses,
        recheck: Recheck,
        release: Callable[[LeasedJob, float], None],
    ) -> None:
        self._waits = waits
        self._leased = leased
        self._capacity = capacity
        self._tenant_work = tenant_work
        self._held_up = held_up
        self._outage_pauses = outage_pauses
        self._recheck = recheck
        self._release = release

    def may_start_item_of(self, job_id: str) -> bool:
        """Returns whether an item of a job may start now. If not, the rules are asked again in time.

        The chunks of a job that must wait for long are released.
        """
        job = self._leased.jobs.get(job_id)
        if job is None:
            return True
        blocked_seconds = self._held_up.blocked_seconds(job)
        if blocked_seconds > 0:
            self._recheck.after(blocked_seconds)
            return False
        wait = self._waits.wait_seconds(job.spec)
        self._outage_pauses.check(job)
        if wait > 0 and self._held_up.add(job):
            self._capacity.changed()
        if wait <= 0:
            return self._tenant_work.may_start(job.spec)  # if not, it notifies when that changes
        self._recheck.after(min(wait, MAX_RECHECK_SECONDS))
        if wait > RUN_SECONDS or self._is_surplus(job):
            asyncio.get_running_loop().call_soon(self._release, job, max(wait, RUN_SECONDS))
        return False

    def _is_surplus(self, job: LeasedJob) -> bool:
        """Returns whether a job is held up, and the others that are would fill this worker without it."""
        others_count = self._held_up.count() - job.unstarted_count
        return job in self._held_up and others_count >= self._capacity.total
