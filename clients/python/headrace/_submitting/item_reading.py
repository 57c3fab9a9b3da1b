"""Reads the items of a job, encodes them as JSON text, and checks their limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from time import monotonic
from typing import Any, NamedTuple

from headrace._data.item_keys import Key, KeyedItem
from headrace._data.items import items_of, reads_files, with_keys
from headrace._data.limits import MAX_ITEM_BYTES, MAX_ITEM_COUNT
from headrace._messages.json_text import encode, utf8_size
from headrace._submitting.caller_items import CallerItems, read_in_thread
from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.reasons import ErrorReason

_LONGEST_READ_SECONDS = 0.01


def items_in(source: Any) -> Iterable[Any] | AsyncIterable[Any]:
    """Returns the items of a source: of a table its rows, of a ``pathlib.Path`` the items of its file.

    Raises:
        InvalidArgumentError: The value is not a collection of items, such as a str.
    """
    items = items_of(source)
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, (Iterable, AsyncIterable)):
        remedy = "; to read a file: read_items(path)" if isinstance(items, str) else ""
        violation = FieldViolation(
            "items", f"must be a list or a generator of items, not {type(items).__name__}{remedy}"
        )
        raise InvalidArgumentError("items is not a collection of items", violations=[violation])
    collection: Iterable[Any] | AsyncIterable[Any] = items
    return collection


def keyed_items(source: Any, key: Key | None) -> Any:
    """Returns the items of a source, to be read with their keys; the source itself without a key.

    Raises:
        InvalidArgumentError: The value is not a collection of items, or the key is neither the name of a
            field nor a function.
    """
    return source if key is None else with_keys(items_in(source), key)


def is_stream(items: object) -> bool:
    """Returns whether items arrive over time, so that work should start on the first ones at once.

    Items read in the caller's thread are not a stream: they come from an ordinary generator.
    """
    return isinstance(items, AsyncIterable) and not isinstance(items, CallerItems)


async def read_items(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """Yields items unchanged. Yields to the loop every 10 ms while items are ready.

    Files are read in a thread.
    """
    if reads_files(items):
        with read_in_thread(items) as read:
            async for item in read:
                yield item
        return
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


class EncodedItem(NamedTuple):
    """An item as it is sent.

    Attributes:
        text: JSON text.
        size: Its size in a message, with its key, in bytes.
        key: Its key. Empty if it has none.
    """

    text: str
    size: int
    key: str


def encode_item(item: Any, index: int) -> EncodedItem:
    """Returns the JSON text of an item, its size and its key.

    Args:
        item: A JSON value, a JsonText, or a KeyedItem of these.
        index: Its position in the job, from 0.

    Raises:
        InvalidArgumentError: It cannot be written as JSON, exceeds 1 MB (ITEM_TOO_LARGE), or exceeds the
            maximum number of items. The error names the item.
    """
    field = f"items[{index}]"
    key = ""
    if type(item) is KeyedItem:
        item, key = item
    if index >= MAX_ITEM_COUNT:
        raise InvalidArgumentError(
            f"a job can have at most {MAX_ITEM_COUNT:,} items",
            violations=[FieldViolation(field, "is one too many: submit the rest as another job")],
        )
    text = encode(item, field)
    size = utf8_size(text, field)
    if size > MAX_ITEM_BYTES:
        raise InvalidArgumentError(
            f"{field} is too large: an item can have at most 1 MB",
            reason=ErrorReason.ITEM_TOO_LARGE,
            violations=[FieldViolation(field, f"has {size:,} bytes; the maximum is {MAX_ITEM_BYTES:,}")],
        )
    size_in_message = _bytes_in_message(size)
    if key:
        size_in_message += _bytes_in_message(utf8_size(key, "key"))
    return EncodedItem(text, size_in_message, key)


def _bytes_in_message(text_bytes: int) -> int:
    """Returns the size of a text in a message: one byte of tag, its length at 7 bits a byte, its bytes."""
    if text_bytes < 128:
        return 2 + text_bytes
    return 1 + max(1, -(-text_bytes.bit_length() // 7)) + text_bytes
