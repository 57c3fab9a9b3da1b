"""How a job's items are cut into chunks."""

import math
from collections.abc import Sequence
from typing import NamedTuple

MAX_CHUNK_ITEMS = 100
CHUNKS_WANTED = 16
MAX_CHUNK_BYTES = 1024 * 1024


class Cut(NamedTuple):
    """A range of items.

    Attributes:
        first_index: Index of its first item.
        item_count: How many items.
        input_bytes: Bytes of their inputs.
    """

    first_index: int
    item_count: int
    input_bytes: int

    @property
    def end_index(self) -> int:
        """The index after its last item."""
        return self.first_index + self.item_count


def chunk_size(item_count: int) -> int:
    """Returns how many items a chunk of a job with so many items takes at most: 1 to 100."""
    return max(1, min(MAX_CHUNK_ITEMS, math.ceil(item_count / CHUNKS_WANTED)))


def cut_chunks(item_bytes: Sequence[int], size: int, first_index: int = 0) -> list[Cut]:
    """Returns the chunks of items: in order, together all items, each at most so many and 1 MB.

    An item larger than that is a chunk of its own.

    Args:
        item_bytes: Size of each item's input.
        size: Items of a chunk at most, from 1 on.
        first_index: Place in the job of the first of these items.
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
