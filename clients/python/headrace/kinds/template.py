"""Prompt templates: text in which ``{field}`` stands for a field of the item."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from headrace.kinds.estimate import byte_size
from headrace.kinds.kind import ItemFailedError, JsonValue
from headrace.reasons import ErrorReason

# A prompt may be ten times its template and the fields in it, each counted once. Short prompts may be longer.
MAX_GROWTH = 10
ALWAYS_ALLOWED_BYTES = 64 * 1024
MAX_PROMPT_BYTES = 4 * 1024 * 1024
# Of all prompts of an item together.
MAX_ITEM_BYTES = 16 * 1024 * 1024

_TOKEN = re.compile(r"(\{\{|\}\}|\{[^{}]+\}|[{}])")


class FieldTexts:
    """Fields of an item as text: strings unchanged, null empty, other values as JSON text, each written once.

    Args:
        item: Value of the item.
    """

    def __init__(self, item: JsonValue) -> None:
        self._item = item
        self._texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        """Returns the text of a field.

        Raises:
            ItemFailedError: FIELD_MISSING: the item lacks the field, or is not an object. INPUT_NOT_JSON: the
                field is nested too deeply.
        """
        if (text := self._texts.get(name)) is None:
            text = self._texts[name] = self._write(name)
        return text

    def are_null(self, names: Collection[str]) -> bool:
        """Returns whether the item has null in all of these fields, which must exist."""
        return isinstance(self._item, dict) and all(self._item[name] is None for name in names)

    def _write(self, name: str) -> str:
        if not isinstance(self._item, dict):
            raise ItemFailedError(
                ErrorReason.FIELD_MISSING, f"the template needs field {name!r}, but the item is not an object"
            )
        if name not in self._item:
            raise ItemFailedError(ErrorReason.FIELD_MISSING, f"the item has no field {name!r}")
        value = self._item[name]
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        try:
            return json.dumps(value, ensure_ascii=False)
        except RecursionError:
            raise ItemFailedError(
                ErrorReason.INPUT_NOT_JSON, f"field {name!r} of the item is nested too deeply"
            ) from None


@dataclass(frozen=True)
class Template:
    """A parsed template.

    Attributes:
        parts: Literal text and field names in alternation. Text is first and last, so field names are at odd
            positions.
    """

    parts: tuple[str, ...]

    @cached_property
    def fields(self) -> Mapping[str, int]:
        """Names of its fields, in order of their first places, each with the number of its places."""
        return Counter(self.parts[1::2])

    @cached_property
    def _literal_bytes(self) -> int:
        return sum(map(byte_size, self.parts[::2]))

    @cached_property
    def _own_bytes(self) -> int:
        """Size of the template itself."""
        return self._literal_bytes + sum((byte_size(name) + 2) * count for name, count in self.fields.items())

    def size_with(self, fields: FieldTexts) -> int:
        """Returns the size of the text with an item's fields filled in, in bytes, without rendering it.

        Raises:
            ItemFailedError: A field is missing, as ``FieldTexts.text`` says, or all are null.
                PROMPT_TOO_LARGE: the text is over 64 KB and over ten times the template and the fields in it,
                or over 4 MB.
        """
        size, base = self._literal_bytes, self._own_bytes
        for name, count in self.fields.items():
            field_size = byte_size(fields.text(name))
            size += field_size * count
            base += field_size
        if fields.are_null(self.fields):
            names = ", ".join(map(repr, self.fields))
            raise ItemFailedError(ErrorReason.FIELD_MISSING, f"the item has null in {names}")
        limit = min(max(ALWAYS_ALLOWED_BYTES, MAX_GROWTH * base), MAX_PROMPT_BYTES)
        if size > limit:
            raise _too_large(f"the prompt would have {size:,} bytes; {limit:,} are allowed for this item")
        return size

    def render(self, fields: FieldTexts) -> str:
        """Returns the text with an item's fields filled in. Its size must have been checked."""
        parts = list(self.parts)
        parts[1::2] = map(fields.text, parts[1::2])
        return "".join(parts)


def prompt_sizes(templates: Sequence[Template], item: JsonValue) -> Sequence[int]:
    """Returns the size of each prompt of an item, in bytes, without rendering any.

    Raises:
        ItemFailedError: FIELD_MISSING or INPUT_NOT_JSON, as ``FieldTexts.text`` says. PROMPT_TOO_LARGE: a
            prompt is too large, or all together are over 16 MB.
    """
    return _checked_sizes(templates, FieldTexts(item))


def render_prompts(templates: Sequence[Template], item: JsonValue) -> Sequence[str]:
    """Returns each prompt of an item. Nothing is rendered before all sizes are checked.

    Raises:
        ItemFailedError: As ``prompt_sizes`` says.
    """
    fields = FieldTexts(item)
    _checked_sizes(templates, fields)
    return [template.render(fields) for template in templates]


def _checked_sizes(templates: Sequence[Template], fields: FieldTexts) -> Sequence[int]:
    sizes = [template.size_with(fields) for template in templates]
    if sum(sizes) > MAX_ITEM_BYTES:
        raise _too_large(f"the prompts would have {sum(sizes):,} bytes; {MAX_ITEM_BYTES:,} are allowed")
    return sizes


def _too_large(problem: str) -> ItemFailedError:
    return ItemFailedError(
        ErrorReason.PROMPT_TOO_LARGE, f"{problem}; name long fields fewer times, or shorten them"
    )


def parse_template(text: str) -> Template:
    """Returns the parsed template. ``{name}`` is a field, ``{{`` and ``}}`` are literal braces.

    A field's name is any text without braces. Spaces in it count.

    Raises:
        ValueError: The text has a lone brace, an empty name, or no field.
    """
    parts: list[str] = []
    literal: list[str] = []
    pieces = _TOKEN.split(text)  # literals and tokens in alternation
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            literal.append(piece)
        elif len(piece) == 1:
            at = sum(map(len, pieces[:place]))
            raise ValueError(f"has a lone brace at character {at}; write {{{{ or }}}} for a brace")
        elif piece in ("{{", "}}"):
            literal.append(piece[0])
        else:
            parts += ["".join(literal), piece[1:-1]]
            literal = []
    if not parts:
        raise ValueError("must contain at least one {field} of the item")
    return Template((*parts, "".join(literal)))
