"""Remembers the results of a job that were already returned."""

from headrace.jobs.v1 import jobs_pb2

_ITEMS_A_BYTE = 4
_FAILURE, _SUCCESS = 0b01, 0b10


class SeenResults:
    """The outcomes seen of each item, in two bits an item: 2.5 MB for a job of 10,000,000."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, result: jobs_pb2.Result) -> bool:
        """Records a result. Returns False if the same or a better outcome of its item was seen before.

        A success is better than a failure, which a retry may replace.
        """
        return self.add_outcome(result.item_index, has_output=result.state != jobs_pb2.ITEM_STATE_FAILED)

    def add_outcome(self, item_index: int, *, has_output: bool) -> bool:
        """Records the outcome of an item, as ``add`` does."""
        place, item = divmod(item_index, _ITEMS_A_BYTE)
        if place >= len(self._bits):
            self._bits.extend(bytes(max(place + 1 - len(self._bits), len(self._bits) // 2)))
        seen = self._bits[place] >> 2 * item & 0b11
        mark = _SUCCESS if has_output else _FAILURE
        self._bits[place] |= mark << 2 * item
        return mark > seen
