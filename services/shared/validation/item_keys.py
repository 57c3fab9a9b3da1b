"""Keys that two items of a job have."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from headrace.errors import InvalidArgumentError
from headrace.reasons import ErrorReason

_MAX_NAMED = 3
# Statuses travel in HTTP/2 trailers, and peers accept 8 KB of these.
_MAX_SHOWN_LENGTH = 64


class DoubleKey(NamedTuple):
    """A key that two items have.

    Attributes:
        key: The key.
        first_index: Position in the job of the item that had it first.
        second_index: Position of the other item.
    """

    key: str
    first_index: int
    second_index: int


def double_keys(keys: Sequence[str], first_index: int = 0) -> Iterator[DoubleKey]:
    """Yields the keys that come twice. An empty text is no key.

    Args:
        keys: Keys of items that follow each other.
        first_index: Position in the job of the first of these items.
    """
    if len(set(keys)) == len(keys):
        return
    seen: dict[str, int] = {}
    for index, key in enumerate(keys, first_index):
        if key and key in seen:
            yield DoubleKey(key, seen[key], index)
        seen.setdefault(key, index)


def check_unique(keys: Sequence[str], first_index: int = 0) -> None:
    """Returns if no key comes twice.

    Args:
        keys: Keys of items that follow each other.
        first_index: Position in the job of the first of these items.

    Raises:
        InvalidArgumentError: ITEM_KEY_TAKEN: two items have the same key.
    """
    doubles = list(islice(double_keys(keys, first_index), _MAX_NAMED + 1))
    if doubles:
        raise key_taken(doubles)


def key_taken(doubles: Iterable[DoubleKey]) -> InvalidArgumentError:
    """Returns the ITEM_KEY_TAKEN error, which names the first three keys and the positions of their items."""
    named = list(doubles)
    parts = [
        f"{_shown(double.key)} is the key of items {double.first_index} and {double.second_index}"
        for double in named[:_MAX_NAMED]
    ]
    more = ", and more" if len(named) > _MAX_NAMED else ""
    return InvalidArgumentError(
        f"item_keys: {', '.join(parts)}{more}; keys must be unique in the job",
        reason=ErrorReason.ITEM_KEY_TAKEN,
    )


def _shown(key: str) -> str:
    return repr(key if len(key) <= _MAX_SHOWN_LENGTH else f"{key[: _MAX_SHOWN_LENGTH - 1]}…")
