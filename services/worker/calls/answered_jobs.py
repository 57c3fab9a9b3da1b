"""Jobs of a model whose calls were answered recently. They tell a fault of one job from one of all jobs."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import NamedTuple

# Time for which an answer shows that the model works, in seconds. A real outage of a model that one job uses
# much more than the others is noticed this much later.
ANSWERED_SECONDS = 10.0
# Jobs to remember: those answered last.
_MAX_JOBS = 100


class Caller(NamedTuple):
    """Job that makes a call.

    Attributes:
        tenant: Owner of the job.
        job_id: The job.
    """

    tenant: str = ""
    job_id: str = ""


class AnsweredJobs:
    """Jobs whose calls of a model were answered within the last 10 s.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[Caller, float] = OrderedDict()

    def add(self, caller: Caller) -> None:
        """Notes that a call of a job was answered."""
        self._times[caller] = self._clock()
        self._times.move_to_end(caller)
        if len(self._times) > _MAX_JOBS:
            self._times.popitem(last=False)

    def are_spared(self, failing: Collection[Caller]) -> bool:
        """Returns whether the model works for others.

        The failing calls are all of one job and another job was answered, or they are all of one tenant and
        another tenant was answered.

        Args:
            failing: Jobs of the failing calls.
        """
        since = self._clock() - ANSWERED_SECONDS
        answered = [caller for caller, time in self._times.items() if time >= since]
        return _is_outside(answered, failing) or _is_outside(
            [caller.tenant for caller in answered], {caller.tenant for caller in failing}
        )


def _is_outside(answered: Collection[object], failing: Collection[object]) -> bool:
    return len(failing) == 1 and any(name not in failing for name in answered)
