"""Items of a submit: read from whatever the caller has them in, made JSON text, held to their limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from time import monotonic
from typing import Any

from headrace._messages.json_text import encode, utf8_size
from headrace._submitting.caller_items import CallerItems
from headrace.errors import FieldViolation, InvalidArgumentError

MAX_ITEM_BYTES = 1024 * 1024
MAX_ITEM_COUNT = 10_000_000
_LONGEST_READ_SECONDS = 0.01


def check_items(items: object) -> None:
    """Raises an InvalidArgumentError for what is no collection of items, such as a text."""
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, (Iterable, AsyncIterable)):
        violation = FieldViolation(
            "items", f"must be a list or a generator of items, not {type(items).__name__}"
        )
        raise InvalidArgumentError("items is not a collection of items", violations=[violation])


def is_stream(items: object) -> bool:
    """Returns whether items arrive over time, so that work should start on those that are there.

    Items read in a thread beside the loop are none: theirs is an ordinary generator.
    """
    return isinstance(items, AsyncIterable) and not isinstance(items, CallerItems)


async def read_items(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """Yields items as they are; lets the loop run between them where many are there at once."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
        return
    begin = monotonic()
    for item in items:
        yield item
        if monotonic() - begin >= _LONGEST_READ_SECONDS:
            await asyncio.sleep(0)
            begin = monotonic()


def encode_item(item: Any, index: int) -> tuple[str, int]:
    """Returns the JSON text of an item, and how many bytes it takes in a message.

    Args:
        item: A JSON value, or a JsonText.
        index: Its place in the job, from 0.

    Raises:
        InvalidArgumentError: It cannot be written as JSON, passes 1 MB (ITEM_TOO_LARGE), or is one more than
            a job may have; the item is named.
    """
    field = f"items[{index}]"
    if index >= MAX_ITEM_COUNT:
        raise InvalidArgumentError(
            f"a job holds at most {MAX_ITEM_COUNT:,} items",
            violations=[FieldViolation(field, "is one too many: submit the rest as another job")],
        )
    text = encode(item, field)
    size = utf8_size(text, field)
    if size > MAX_ITEM_BYTES:
        raise InvalidArgumentError(
            f"{field} is too large: an item holds at most 1 MB",
            reason="ITEM_TOO_LARGE",
            violations=[FieldViolation(field, f"holds {size:,} bytes, and may hold {MAX_ITEM_BYTES:,}")],
        )
    return text, _bytes_in_message(size)


def _bytes_in_message(item_bytes: int) -> int:
    """Returns what an item takes in a message: a byte of tag, its length in 7 bits a byte, its text."""
    return 1 + max(1, -(-item_bytes.bit_length() // 7)) + item_bytes
