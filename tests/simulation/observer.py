"""Observes a fleet from outside: leases, starts of items, ends of jobs."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from services.shared.job_states import TERMINAL_STATES
from services.stubs.results.v1 import results_pb2


class Observer:
    """Records events by the loop's time.

    Attributes:
        tenants: Owner of each job.
        leased: Items leased, by tenant, in each whole second.
        started_items: Attempts started, by tenant, in each whole second.
        lease_times: Time and worker of each lease, by chunk (job id, chunk index).
        starts: Attempts started, by item (job id, item index).
        end_times: Time at which each ended job was first seen as such.
        states: Final state of each ended job.
        first_starts: Time at which the first item of each job was started.
    """

    def __init__(self) -> None:
        self.tenants: dict[str, str] = {}
        self.leased: dict[int, Counter[str]] = {}
        self.started_items: dict[int, Counter[str]] = {}
        self.lease_times: dict[tuple[str, int], list[tuple[float, str]]] = {}
        self.starts: Counter[tuple[str, int]] = Counter()
        self.first_starts: dict[str, float] = {}
        self.end_times: dict[str, float] = {}
        self.states: dict[str, int] = {}

    def answered(self, name: str, request: Any, response: Any) -> None:
        """Notes the response to a call of the store."""
        if name != "LeaseChunks":
            return
        now = asyncio.get_running_loop().time()
        counts = self.leased.setdefault(int(now), Counter())
        for lease in response.leases:
            counts[self.tenants[lease.ref.job_id]] += len(lease.items)
            times = self.lease_times.setdefault((lease.ref.job_id, lease.ref.chunk_index), [])
            times.append((now, request.incarnation))

    def started(self, job_id: str, item_index: int) -> None:
        """Notes that an attempt of an item was started."""
        now = asyncio.get_running_loop().time()
        self.starts[job_id, item_index] += 1
        self.started_items.setdefault(int(now), Counter())[self.tenants[job_id]] += 1
        self.first_starts.setdefault(job_id, now)

    def seen(self, effects: results_pb2.Effects) -> None:
        """Notes which jobs have ended."""
        for job in effects.changed_jobs:
            if job.state in TERMINAL_STATES and job.job_id not in self.end_times:
                self.end_times[job.job_id] = asyncio.get_running_loop().time()
                self.states[job.job_id] = job.state

    @property
    def repeated_count(self) -> int:
        """Attempts beyond the first of an item."""
        return self.starts.total() - len(self.starts)


def between(counts: Mapping[int, Counter[str]], begin: float, end: float) -> Counter[str]:
    """Returns the sum over whole seconds, by tenant."""
    return sum((counts.get(second, Counter()) for second in range(int(begin), int(end))), Counter())
