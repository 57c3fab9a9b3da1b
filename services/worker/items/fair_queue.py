"""Orders waiting items fairly: by class weight, then tenants and jobs in turn."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

C = TypeVar("C")  # a class
T = TypeVar("T")  # a waiting item


class _Turns(OrderedDict[str, "deque[T]"], Generic[T]):
    """Jobs of one tenant, the next one to serve first."""


class FairQueue(Generic[C, T]):
    """A queue of waiting items that serves classes, tenants and jobs fairly.

    Classes with waiting items share the pops in proportion to their weights, spread evenly. Within a class
    tenants take turns, within a tenant its jobs. Within a job items keep their order.

    Args:
        weights: Weight of each class, 1 or more.
    """

    def __init__(self, weights: Mapping[C, int]) -> None:
        self._weights = weights
        self._credits = dict.fromkeys(weights, 0)
        self._tenants: dict[C, OrderedDict[str, _Turns[T]]] = {c: OrderedDict() for c in weights}

    def push(self, job_class: C, tenant: str, job_id: str, items: Iterable[T]) -> None:
        """Adds items to the end of a job's line. A job belongs to one class and tenant."""
        jobs = self._tenants[job_class].setdefault(tenant, _Turns())
        line = jobs.setdefault(job_id, deque())
        line.extend(items)
        if not line:
            self._forget(job_class, tenant, job_id)

    def pop(
        self, ready: Callable[[str], bool], may_serve: Callable[[str], bool] = lambda tenant: True
    ) -> T | None:
        """Removes and returns the next item of a job that is ready; None: there is none.

        Args:
            ready: Whether a job, by id, may start items now. Called at most once per job.
            may_serve: Whether a tenant may start items now. Its jobs are only asked about if so.
        """
        waiting = [job_class for job_class, tenants in self._tenants.items() if tenants]
        for job_class in self._by_credit(waiting):
            item = self._pop_class(job_class, ready, may_serve)
            if item is not None:
                self._charge(job_class, waiting)
                return item
            waiting.remove(job_class)  # not ready: it saves up no turns
        return None

    def discard(self, job_class: C, tenant: str, job_id: str, drop: Callable[[T], bool]) -> None:
        """Removes those items of a job for which drop is true."""
        jobs = self._tenants[job_class].get(tenant)
        line = jobs.get(job_id) if jobs else None
        if line is None:
            return
        kept = [item for item in line if not drop(item)]
        line.clear()
        line.extend(kept)
        if not line:
            self._forget(job_class, tenant, job_id)

    def _by_credit(self, waiting: list[C]) -> list[C]:
        return sorted(waiting, key=lambda c: self._credits[c] + self._weights[c], reverse=True)

    def _charge(self, served: C, waiting: list[C]) -> None:
        for job_class in waiting:
            self._credits[job_class] += self._weights[job_class]
        self._credits[served] -= sum(self._weights[c] for c in waiting)
        for job_class in self._credits:
            if job_class not in waiting:
                self._credits[job_class] = 0

    def _pop_class(
        self, job_class: C, ready: Callable[[str], bool], may_serve: Callable[[str], bool]
    ) -> T | None:
        tenants = self._tenants[job_class]
        for tenant in [tenant for tenant in tenants if may_serve(tenant)]:
            jobs = tenants[tenant]
            for job_id in list(jobs):
                if not ready(job_id):
                    continue
                item = jobs[job_id].popleft()
                jobs.move_to_end(job_id)
                tenants.move_to_end(tenant)
                if not jobs[job_id]:
                    self._forget(job_class, tenant, job_id)
                return item
        return None

    def _forget(self, job_class: C, tenant: str, job_id: str) -> None:
        jobs = self._tenants[job_class][tenant]
        del jobs[job_id]
        if not jobs:
            del self._tenants[job_class][tenant]
