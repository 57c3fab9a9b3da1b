"""Jobs whose calls are all rejected while the provider answers those of others."""

import time
from collections import OrderedDict
from collections.abc import Callable

from services.worker.calls.answered_jobs import AnsweredJobs, Caller

# Rejections of a job in a row after which they are its own.
OWN_REJECTIONS = 5
# Models, and jobs of a model, to remember. Clients may name any number of models.
_MAX_MODELS = 200
_MAX_JOBS = 1_000


class JobRejections:
    """Tells rejections of a job from those of its model.

    The options of a job may be what the provider rejects, such as a service tier or a field of its own. Such
    rejections are no sign of overload.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._models: OrderedDict[str, _Model] = OrderedDict()

    def add_answer(self, model: str, caller: Caller) -> None:
        """Adds a call that was answered."""
        found = self._of(model)
        found.answered_jobs.add(caller)
        found.rejections.pop(caller, None)

    def add(self, model: str, caller: Caller) -> bool:
        """Adds a call that was rejected, and returns whether that is the job's own affair."""
        found = self._of(model)
        count = found.rejections.pop(caller, 0) + 1
        found.rejections[caller] = count
        if len(found.rejections) > _MAX_JOBS:
            found.rejections.popitem(last=False)
        return count > OWN_REJECTIONS and found.answered_jobs.are_spared({caller})

    def _of(self, model: str) -> "_Model":
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = _Model(self._clock)
            if len(self._models) > _MAX_MODELS:
                self._models.popitem(last=False)
        else:
            self._models.move_to_end(model)
        return found


class _Model:
    def __init__(self, clock: Callable[[], float]) -> None:
        self.answered_jobs = AnsweredJobs(clock)
        self.rejections: OrderedDict[Caller, int] = OrderedDict()  # in a row
