"""Checks that items have the fields that the templates of their job name."""

import difflib
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any, Self

from pydantic import BaseModel

from headrace.kinds import Kind
from headrace.kinds.template import Template
from headrace.reasons import ErrorReason
from services.gateway.requests.violations import Violations

# Fewer sampled items do not say that no item has a field.
MIN_REFUSED_SAMPLE = 10
_MAX_FIELDS = 200
_MAX_WARNINGS = 20
_MAX_KNOWN_NAMES = 30
# Comparing two names takes up to 0.3 ms, so that few are compared.
_MAX_SUGGESTIONS = 3
_MAX_COMPARED_LENGTH = 32
_MAX_NAME_LENGTH = 60
_MAX_LISTED_NAMES = 5


class ItemFields:
    """Counts the items that lack a field, or have null in it.

    Args:
        templates: Templates by their place in the params. The first 200 fields are checked.
        is_sample: Whether the items are only some of the job's.
    """

    def __init__(self, templates: Mapping[str, Template], is_sample: bool) -> None:
        self._is_sample = is_sample
        named = ((name, place) for place, each in templates.items() for name in each.fields)
        self._places: dict[str, str] = {}
        for name, place in named:
            if len(self._places) < _MAX_FIELDS:
                self._places.setdefault(name, place)
        self._wanted = frozenset(self._places)
        self._groups = {place: frozenset(each.fields) for place, each in templates.items()}
        self._count = 0
        self._lacking: Counter[str] = Counter()
        self._null: Counter[str] = Counter()
        self._empty: Counter[str] = Counter()
        self._known_names: dict[str, None] = {}
        self._suggestion_count = 0

    @classmethod
    def of(cls, kind: Kind[Any] | None, params: BaseModel | None, is_sample: bool) -> Self | None:
        """Returns the check for a job; None if its kind has no templates or its params are wrong."""
        if kind is None or params is None or kind.templates is None:
            return None
        return cls(kind.templates(params), is_sample)

    def add(self, item: Any) -> None:
        """Counts an item."""
        self._count += 1
        if not isinstance(item, dict):
            self._lacking.update(self._wanted)
            return
        if not self._wanted <= item.keys():
            self._lacking.update(self._wanted - item.keys())
            if len(self._known_names) < _MAX_KNOWN_NAMES:
                names = islice(item, _MAX_KNOWN_NAMES)
                self._known_names |= dict.fromkeys(name[:_MAX_NAME_LENGTH] for name in names)
        if None in item.values():
            self._count_nulls(item)

    def _count_nulls(self, item: dict[str, Any]) -> None:
        null = {name for name in self._wanted if name in item and item[name] is None}
        self._null.update(null)
        self._empty.update(place for place, fields in self._groups.items() if fields <= null)

    def report(self, violations: Violations) -> list[str]:
        """Adds a violation for each field that no item has, and returns warnings of those that some lack."""
        warnings = []
        can_refuse = not self._is_sample or self._count >= MIN_REFUSED_SAMPLE
        for name, count in sorted(self._lacking.items()):
            text = f"{self._of_all(count)} lack {_shown(name)}"
            if count == self._count and can_refuse:
                place = f"params.{self._places[name]}"
                violations.add(place, text + self._suggestion(name), ErrorReason.FIELD_MISSING)
            else:
                warnings.append(text + (self._nearest(name) or ": they will fail"))
        for place, count in sorted(self._empty.items()):
            names = ", ".join(_shown(name) for name in sorted(self._groups[place])[:_MAX_LISTED_NAMES])
            text = f"{self._of_all(count)} have null in {names}"
            if count == self._count and can_refuse:
                violations.add(f"params.{place}", text, ErrorReason.FIELD_MISSING)
            else:
                warnings.append(f"{text}: they will fail")
        return (warnings + self._null_warnings())[:_MAX_WARNINGS]

    def _null_warnings(self) -> list[str]:
        failing = {name: self._empty[place] for name, place in self._places.items()}
        return [
            f"{self._of_all(count)} have null in {_shown(name)}, which is filled in as empty text"
            for name, count in sorted(self._null.items())
            if count > failing[name]
        ]

    def _of_all(self, count: int) -> str:
        return f"{count:,} of {self._count:,} {'sampled items' if self._is_sample else 'items'}"

    def _suggestion(self, name: str) -> str:
        """Returns the nearest name of a field that items have, or some of those that they have."""
        if not self._known_names:
            return ": an item must be an object with this field"
        listed = ", ".join(_shown(known) for known in islice(self._known_names, _MAX_LISTED_NAMES))
        return self._nearest(name) or f": they have {listed}"

    def _nearest(self, name: str) -> str:
        if self._suggestion_count == _MAX_SUGGESTIONS:
            return ""
        self._suggestion_count += 1
        folded = {known.casefold()[:_MAX_COMPARED_LENGTH]: known for known in self._known_names}
        near = difflib.get_close_matches(name.casefold()[:_MAX_COMPARED_LENGTH], folded, n=1)
        return f": did you mean {_shown(folded[near[0]])}?" if near else ""


def _shown(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:_MAX_NAME_LENGTH]}…"
