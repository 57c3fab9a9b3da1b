"""Limits of a page: a number of members, and 1 MB."""

from collections.abc import Sequence

MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 1024 * 1024


def page_size(requested: int) -> int:
    """Returns the maximum members of a page: the requested number, within 1 to 1,000."""
    return max(1, min(requested, MAX_PAGE_SIZE))


def count_fitting(sizes: Sequence[int]) -> int:
    """Returns how many of these members, from the first on, fit into a page by their bytes; at least one.

    Args:
        sizes: Bytes of each member.
    """
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > MAX_PAGE_BYTES and count:
            return count
    return len(sizes)
