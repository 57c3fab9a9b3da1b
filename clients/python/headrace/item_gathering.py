"""Items of a submit, gathered from whatever the caller has them in."""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.json_text import encode

MAX_REQUEST_BYTES = 4 * 1024 * 1024


async def gather_items(
    request: gateway_pb2.SubmitJobRequest, items: Iterable[Any] | AsyncIterable[Any]
) -> None:
    """Encodes items into a request, in order, and stops reading them as soon as it is too large to send.

    Raises:
        InvalidArgumentError: ``items`` is no collection of items, one of them cannot be written as JSON, or
            the whole request passes 4 MB (REQUEST_TOO_LARGE).
    """
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, (Iterable, AsyncIterable)):
        violation = FieldViolation(
            "items", f"must be a list or a generator of items, not {type(items).__name__}"
        )
        raise InvalidArgumentError("items is not a collection of items", violations=[violation])
    size = request.ByteSize()
    index = 0
    async for item in _iterate(items):
        text = encode(item, f"items[{index}]")
        item_bytes = len(text) if text.isascii() else len(text.encode())
        size += _bytes_in_message(item_bytes)
        if size > MAX_REQUEST_BYTES:
            raise _too_large(index, item_bytes)
        request.items.append(text)
        index += 1


async def _iterate(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterable[Any]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def _bytes_in_message(item_bytes: int) -> int:
    """Returns what an item takes in the message: a byte of tag, its length in 7 bits a byte, its text."""
    return 1 + max(1, -(-item_bytes.bit_length() // 7)) + item_bytes


def _too_large(index: int, item_bytes: int) -> InvalidArgumentError:
    violation = FieldViolation(f"items[{index}]", f"passes the 4 MB with its {item_bytes:,} bytes")
    return InvalidArgumentError(
        "params and items of one request hold at most 4 MB: submit several jobs of fewer items",
        reason="REQUEST_TOO_LARGE",
        violations=[violation],
    )
