"""Adaptive limit on a model's calls in flight. Overload lowers it, and successful calls raise it again."""

from services.worker.metrics import CONCURRENCY_LIMIT, model_label


class ConcurrencyLimit:
    """Halves when the provider rejects calls or does not respond, and grows again with successful calls.

    Args:
        model: Model, for metrics.
        ceiling: Initial and highest limit.

    Attributes:
        in_flight_count: Calls in flight.
    """

    def __init__(self, model: str, ceiling: int) -> None:
        self._gauge = CONCURRENCY_LIMIT.labels(model_label(model))
        self._ceiling = ceiling
        self._limit = float(ceiling)
        self._call_number = self._number_at_cut = 0
        self.in_flight_count = 0
        self._gauge.set(ceiling)

    @property
    def limit(self) -> int:
        """Maximum calls in flight now, at least 1."""
        return int(self._limit)

    @property
    def has_capacity(self) -> bool:
        """Whether one more call may begin."""
        return self.in_flight_count < self.limit

    @property
    def is_idle(self) -> bool:
        """Whether the limit is at its ceiling and no call is in flight."""
        return not self.in_flight_count and self.limit == self._ceiling

    def begin(self) -> int:
        """Registers a new call. Returns its number, for ``note_success`` and ``note_overload``."""
        self._call_number += 1
        return self._call_number

    def note_success(self, number: int) -> None:
        """Raises the limit if it is in use. A call from before the last cut has no effect."""
        if number > self._number_at_cut and self.in_flight_count * 2 >= self.limit:
            self._set(self._limit + 1 / self._limit)

    def note_overload(self, number: int) -> None:
        """Halves the limit, once for all calls that were in flight together."""
        if number > self._number_at_cut:
            self._number_at_cut = self._call_number
            self._set(self._limit / 2)

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, 1.0), float(self._ceiling))
        self._gauge.set(self.limit)
