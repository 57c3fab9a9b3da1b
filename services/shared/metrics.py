"""Labels and buckets that the metrics of all services share.

Each service defines its metrics in its ``metrics`` module. A label never has a value that grows with use,
such as a job. Values chosen by clients go through a ``LabelCap``. Enum values have no prefix, as in
``--json``.
"""

import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

import prometheus_client

from headrace import __version__
from headrace.jobs.v1 import jobs_pb2

# The creation time of each series would double the size of a scrape, and nobody reads it.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

BUILD_INFO = prometheus_client.Gauge(
    "headrace_build_info", "Always 1; the labels name the version that runs.", ["version", "python"]
)
BUILD_INFO.labels(__version__, platform.python_version()).set(1)

# For calls between services and to the database, in seconds.
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# For whatever may take minutes, such as calls to a provider and waits. In seconds.
WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

OTHER = "other"
MAX_LABEL_VALUES = 50

CLASS_LABELS = {value: name.removeprefix("JOB_CLASS_") for name, value in jobs_pb2.JobClass.items()}
JOB_STATE_LABELS = {value: name.removeprefix("JOB_STATE_") for name, value in jobs_pb2.JobState.items()}
ITEM_STATE_LABELS = {value: name.removeprefix("ITEM_STATE_") for name, value in jobs_pb2.ItemState.items()}


class LabelCap:
    """Bounds the number of values of a label that clients choose. The first values keep their names.

    Args:
        limit: Maximum number of distinct values. All later ones become ``other``.
        known: Values that are distinct from the start.
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

    def known(self, value: str) -> str:
        """Returns the value if it has a series of its own already, or ``other``."""
        return value if value in self._values else OTHER


@contextmanager
def timing(observe: Callable[[float], None]) -> Iterator[None]:
    """Measures the time that the block takes, even if it raises.

    Args:
        observe: Called with the time in seconds, such as the ``observe`` of a histogram.
    """
    start = perf_counter()
    try:
        yield
    finally:
        observe(perf_counter() - start)
