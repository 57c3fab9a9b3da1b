"""How many calls of a model may be under way: fewer when the provider is overloaded, more when it is not."""

from services.worker.metrics import CONCURRENCY_LIMIT, model_label


class Concurrency:
    """A limit that is halved when the provider turns calls away or does not answer, and grows again.

    Args:
        model: For metrics.
        ceiling: Where it starts, and what it never exceeds.
    """

    def __init__(self, model: str, ceiling: int) -> None:
        self._gauge = CONCURRENCY_LIMIT.labels(model_label(model))
        self._ceiling = ceiling
        self._limit = float(ceiling)
        self._call_number = self._number_at_cut = 0
        self.under_way_count = 0
        self._gauge.set(ceiling)

    @property
    def limit(self) -> int:
        """Calls that may be under way now, at least 1."""
        return int(self._limit)

    @property
    def has_capacity(self) -> bool:
        """Whether one more call may begin."""
        return self.under_way_count < self.limit

    @property
    def is_idle(self) -> bool:
        """Whether it is at its ceiling and unused."""
        return not self.under_way_count and self.limit == self._ceiling

    def begin(self) -> int:
        """Takes note of a new call; returns its number, for succeeded and overloaded."""
        self._call_number += 1
        return self._call_number

    def succeeded(self, number: int) -> None:
        """Grows, where the limit was in use; answers to calls from before the last cut say nothing of it."""
        if number > self._number_at_cut and self.under_way_count * 2 >= self.limit:
            self._set(self._limit + 1 / self._limit)

    def overloaded(self, number: int) -> None:
        """Halves the limit, once for all calls that were under way together."""
        if number > self._number_at_cut:
            self._number_at_cut = self._call_number
            self._set(self._limit / 2)

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, 1.0), float(self._ceiling))
        self._gauge.set(self.limit)
