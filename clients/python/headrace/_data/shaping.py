"""Chooses items and their fields: duplicates, samples, limits, selected and renamed fields."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any

import orjson

from headrace._data.faults import invalid_data
from headrace._messages.json_text import JsonText
from headrace._messages.plain_values import ValueRefusedError, known_form, plain

_SAMPLE_SEED = 0  # fixed: a repeated submit must send the same items


@dataclass(frozen=True)
class Shaping:
    """Steps between a source and a job, in this order. Field names are those of the source.

    Attributes:
        dedupe_by: Fields whose equal values make an item a duplicate. The first one stays.
        sample: Number of items chosen at random, the same ones in every run. They stay in order.
        limit: Maximum number of items.
        select: Fields to keep, in this order. Empty: all.
        rename: New names of fields, by their old ones.
    """

    dedupe_by: Sequence[str] = ()
    sample: int | None = None
    limit: int | None = None
    select: Sequence[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("sample", "limit"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise invalid_data(f"{name} must be a number of items, 1 or more, not {value!r}")
        for name in ("dedupe_by", "select"):
            if isinstance(getattr(self, name), str):
                raise invalid_data(f"{name} must be a list of field names, not one text")

    def apply(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yields the chosen items. An item with selected or renamed fields is a new one.

        ``sample`` holds that number of items in memory; ``dedupe_by`` some 120 bytes for each different item.

        Raises:
            InvalidArgumentError: An item has no such field. The message names the item, from 0.
        """
        for number, item in self.chosen(items):
            yield self.shaped(item, number)

    def chosen(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """Yields the chosen items as the source has them, each with its number in the source."""
        numbered: Iterator[tuple[int, Any]] = enumerate(items)
        if self.dedupe_by:
            numbered = self._without_duplicates(numbered)
        if self.sample is not None:
            numbered = iter(_sample(numbered, self.sample))
        return numbered if self.limit is None else islice(numbered, self.limit)

    def _without_duplicates(self, items: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        seen: set[bytes] = set()
        for number, item in items:
            values = fields_of(item, number)
            key = [member_of(values, name, number) for name in self.dedupe_by]
            digest = blake2b(_key_text(key, number), digest_size=16).digest()
            if digest not in seen:
                seen.add(digest)
                yield number, item

    def shaped(self, item: Any, number: int) -> Any:
        """Returns a chosen item with the selected and renamed fields.

        Raises:
            InvalidArgumentError: It has no such field, or two fields would have one name.
        """
        if not (self.select or self.rename):
            return item
        values = fields_of(item, number)
        for name in self.rename:
            member_of(values, name, number)
        shaped: dict[str, Any] = {}
        for name in self.select or values:
            new_name = self.rename.get(name, name)
            if new_name in shaped:
                raise invalid_data(
                    f"item {number} would have two fields {new_name!r}: rename to another name"
                )
            shaped[new_name] = member_of(values, name, number)
        return shaped


def fields_of(item: Any, number: int) -> dict[str, Any]:
    """Returns the fields of an item. Numbers of JSON text stay as they are written.

    Args:
        item: An item of a source.
        number: Its number in the source, from 0.

    Raises:
        InvalidArgumentError: The item is not an object.
    """
    if isinstance(item, JsonText):
        item = json.loads(item, parse_int=orjson.Fragment, parse_float=orjson.Fragment)
    elif not isinstance(item, dict):
        try:
            item = plain(item)
        except ValueRefusedError as error:
            raise invalid_data(f"item {number} cannot be written as JSON: {error}") from None
    if not isinstance(item, dict):
        raise invalid_data(f"item {number} is not an object, so it has no fields to choose")
    return item


def member_of(values: dict[str, Any], name: str, number: int) -> Any:
    """Returns a field of an item.

    Args:
        values: Fields of the item.
        name: Name of the field.
        number: Number of the item in the source, from 0.

    Raises:
        InvalidArgumentError: It has no such field.
    """
    try:
        return values[name]
    except KeyError:
        known = ", ".join(map(repr, islice(values, 20)))
        raise invalid_data(f"item {number} has no field {name!r}; it has {known or 'none'}") from None


def _key_text(key: list[Any], number: int) -> bytes:
    try:
        return orjson.dumps(key, default=known_form, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise invalid_data(f"item {number} cannot be compared with others: {error}") from None


def _sample(items: Iterable[tuple[int, Any]], size: int) -> list[tuple[int, Any]]:
    """Returns items chosen with equal chances in one pass, in their order."""
    chance = random.Random(_SAMPLE_SEED)
    chosen: list[tuple[int, Any]] = []
    for position, each in enumerate(items):
        if position < size:
            chosen.append(each)
        elif (place := chance.randrange(position + 1)) < size:
            chosen[place] = each
    return sorted(chosen, key=_number_of)


def _number_of(numbered: tuple[int, Any]) -> int:
    return numbered[0]
