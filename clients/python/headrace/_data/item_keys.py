"""Keys of items: read from a field of each item, or returned by a function of it."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from datetime import date, datetime, time
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from headrace._data.faults import invalid_data
from headrace._data.shaping import fields_of, member_of
from headrace._messages.json_text import JsonText, decode
from headrace._messages.plain_values import SURROGATE_REMEDY, ValueRefusedError, plain

MAX_KEY_LENGTH = 256

Key = str | Callable[[Any], Any]


class KeyedItem(NamedTuple):
    """An item with its key."""

    value: Any
    key: str


class KeyReader:
    """Reads the key of each item.

    Args:
        key: Name of a field of each item, or a function that returns the key of an item.

    Raises:
        InvalidArgumentError: It is neither.
    """

    def __init__(self, key: Key) -> None:
        if not (callable(key) or (isinstance(key, str) and key)):
            raise invalid_data(f"key must be the name of a field or a function of the item, not {key!r}")
        self._key = key

    def read(self, item: Any, number: int) -> str:
        """Returns the key of an item.

        Args:
            item: An item of a source.
            number: Its number in the source, from 0, for errors.

        Raises:
            InvalidArgumentError: It has no such field, or its key is missing, empty, too long, or neither
                text nor a number.
            Exception: An error of the function, unchanged.
        """
        if isinstance(self._key, str):
            value = item.get(self._key) if type(item) is dict else None
            if type(value) is str and 0 < len(value) <= MAX_KEY_LENGTH and value.isascii():  # the usual one
                return value
            if type(value) is int and -(2**63) <= value < 2**63:
                return str(value)
            value = _value_in(item, self._key, number)
            return key_text(value, f"item {number} field {self._key!r}")
        return key_text(self._key(decode(item) if isinstance(item, JsonText) else item), f"item {number}")


class _KeyedValues:
    """Items of an iterable, each with its key."""

    def __init__(self, items: Iterable[Any], reader: KeyReader) -> None:
        self._items = items
        self._reader = reader

    def __iter__(self) -> Iterator[KeyedItem]:
        for number, item in enumerate(self._items):
            yield KeyedItem(item, self._reader.read(item, number))


class _KeyedStream:
    """Items of an async iterable, each with its key."""

    def __init__(self, items: AsyncIterable[Any], reader: KeyReader) -> None:
        self._items = items
        self._reader = reader

    async def __aiter__(self) -> AsyncIterator[KeyedItem]:
        number = 0
        async for item in self._items:
            yield KeyedItem(item, self._reader.read(item, number))
            number += 1


def keyed_values(
    items: Iterable[Any] | AsyncIterable[Any], reader: KeyReader
) -> Iterable[KeyedItem] | AsyncIterable[KeyedItem]:
    """Returns the items of a collection, each with its key. They are read when it is iterated."""
    if isinstance(items, AsyncIterable):
        return _KeyedStream(items, reader)
    return _KeyedValues(items, reader)


def key_text(value: Any, place: str) -> str:
    """Returns the text of a key. A number becomes its text.

    Args:
        value: The key: text, a number, or a UUID, a date, an enum of these.
        place: Name of the key in an error.

    Raises:
        InvalidArgumentError: It is missing, empty, too long, or of another type.
    """
    text = value if type(value) is str else _text_of(value, place)
    if not text:
        raise _no_key(place)
    if len(text) > MAX_KEY_LENGTH:
        raise invalid_data(f"{place}: the key has {len(text)} characters; the maximum is {MAX_KEY_LENGTH}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise invalid_data(f"{place}: the key is not valid text: it has {SURROGATE_REMEDY}") from None
    return text


def _text_of(value: Any, place: str) -> str:
    if type(value) is int:
        # Longer ones have no text in Python.
        return str(value) if value.bit_length() <= 1_000 else "9" * (MAX_KEY_LENGTH + 1)
    try:
        known = plain(value, nan_as_null=True)
    except ValueRefusedError as error:
        raise invalid_data(f"{place} cannot be a key: {error}") from None
    if known is None:
        raise _no_key(place)
    if isinstance(known, (datetime, date, time)):
        return known.isoformat()
    if isinstance(known, bool) or not isinstance(known, (str, int, float, UUID)):
        raise invalid_data(f"{place} cannot be a key: it is a {type(value).__name__}, not text or a number")
    return str(known)


def _no_key(place: str) -> Exception:
    return invalid_data(
        f"{place}: the key is empty or missing; give each item a key, or choose another field"
    )


def _value_in(item: Any, name: str, number: int) -> Any:
    if not isinstance(item, JsonText):
        return member_of(fields_of(item, number), name, number)
    try:
        values = orjson.loads(item)
    except orjson.JSONDecodeError:  # stricter than JSON: refuses single surrogates
        values = json.loads(item)
    value = member_of(fields_of(values, number), name, number)
    if type(value) is float:  # perhaps an integer of many digits: the key has all of them
        value = json.loads(item, parse_float=str, parse_int=str)[name]
    return value
