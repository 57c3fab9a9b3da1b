"""What the metrics of all services have in common: labels of few values, and buckets.

Each service names its own in its ``metrics`` module. A label never holds a tenant, a job or anything else
that grows with use. Values of enums are those of ``--json``: without their prefix.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

import prometheus_client

from headrace.jobs.v1 import jobs_pb2

# The time each series began doubles what is scraped and is of no use here.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

# Of a call between services or to the database, in seconds.
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Of what may take minutes: calls to a provider, waits; in seconds.
WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

OTHER = "other"
MAX_LABEL_VALUES = 50

CLASS_LABELS = {value: name.removeprefix("JOB_CLASS_") for name, value in jobs_pb2.JobClass.items()}
JOB_STATE_LABELS = {value: name.removeprefix("JOB_STATE_") for name, value in jobs_pb2.JobState.items()}
ITEM_STATE_LABELS = {value: name.removeprefix("ITEM_STATE_") for name, value in jobs_pb2.ItemState.items()}


class LabelCap:
    """Bounds the values of a label that clients choose: the first ones keep their name.

    Args:
        limit: How many different values are told apart; all later ones are ``other``.
        known: Values that are told apart from the start.
    """

    def __init__(self, limit: int = MAX_LABEL_VALUES, known: Iterable[str] = ()) -> None:
        self._limit = limit
        self._values = set(known)

    def __call__(self, value: str) -> str:
        """Returns the value, or ``other``."""
        if value in self._values:
            return value
        if len(self._values) >= self._limit:
            return OTHER
        self._values.add(value)
        return value


@contextmanager
def timing(observe: Callable[[float], None]) -> Iterator[None]:
    """Gives the seconds that the block took, also where it raised.

    Args:
        observe: Such as the ``observe`` of a histogram.
    """
    start = perf_counter()
    try:
        yield
    finally:
        observe(perf_counter() - start)
