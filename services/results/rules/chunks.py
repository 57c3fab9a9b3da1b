"""Cutting the items of a job into chunks."""

import math
from collections.abc import Sequence
from typing import NamedTuple

MAX_CHUNK_ITEMS = 100
WANTED_CHUNK_COUNT = 16
MAX_CHUNK_BYTES = 1024 * 1024


class Cut(NamedTuple):
    """A contiguous range of items.

    Attributes:
        first_index: Index of its first item.
        item_count: Number of its items.
        input_bytes: Size of their inputs.
    """

    first_index: int
    item_count: int
    input_bytes: int

    @property
    def end_index(self) -> int:
        """Index after its last item."""
        return self.first_index + self.item_count


def chunk_size(item_count: int) -> int:
    """Returns the maximum items of a chunk, 1 to 100, for a job with a number of items."""
    return max(1, min(MAX_CHUNK_ITEMS, math.ceil(item_count / WANTED_CHUNK_COUNT)))


def cut_chunks(item_bytes: Sequence[int], size: int, first_index: int = 0) -> list[Cut]:
    """Cuts items into chunks that cover them in order, each within the maximum number of items and 1 MB.

    An item over 1 MB is a chunk of its own.

    Args:
        item_bytes: Size of the input of each item.
        size: Maximum items of a chunk, 1 or more.
        first_index: Index in the job of the first of these items.
    """
    cuts: list[Cut] = []
    first, total = first_index, 0
    for index, size_of_item in enumerate(item_bytes, first_index):
        if index > first and (index - first == size or total + size_of_item > MAX_CHUNK_BYTES):
            cuts.append(Cut(first, index - first, total))
            first, total = index, 0
        total += size_of_item
    end = first_index + len(item_bytes)
    if end > first:
        cuts.append(Cut(first, end - first, total))
    return cuts
