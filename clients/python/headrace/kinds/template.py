"""Prompt templates: text in which ``{field}`` stands for a field of the item."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.kinds.kind import ItemFailedError, JsonValue
from headrace.reasons import ErrorReason

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


@dataclass(frozen=True)
class Template:
    """A parsed template.

    Attributes:
        parts: Literal text and field names in alternation. Text is first and last, so field names are at odd
            positions.
    """

    parts: tuple[str, ...]

    @property
    def fields(self) -> Sequence[str]:
        """Names of its fields, in order. A name used twice appears twice."""
        return self.parts[1::2]

    def render(self, item: JsonValue) -> str:
        """Returns the text with an item's fields filled in.

        Strings are unchanged, null is empty text, and other values are JSON text.

        Raises:
            ItemFailedError: FIELD_MISSING: the item lacks a field, has null in all of them, or is not an
                object.
        """
        if not isinstance(item, dict):
            raise ItemFailedError(
                ErrorReason.FIELD_MISSING,
                f"the template needs field {self.fields[0]!r}, but the item is not an object",
            )
        parts = list(self.parts)
        has_value = False
        for place in range(1, len(parts), 2):
            name = parts[place]
            if name not in item:
                raise ItemFailedError(ErrorReason.FIELD_MISSING, f"the item has no field {name!r}")
            value = item[name]
            if value is None:
                parts[place] = ""
                continue
            has_value = True
            parts[place] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if not has_value:
            names = ", ".join(repr(name) for name in dict.fromkeys(self.fields))
            raise ItemFailedError(ErrorReason.FIELD_MISSING, f"the item has null in {names}")
        return "".join(parts)


def parse_template(text: str) -> Template:
    """Returns the parsed template. ``{name}`` is a field, ``{{`` and ``}}`` are literal braces.

    A field's name is any text without braces. Spaces in it count.

    Raises:
        ValueError: The text has a lone brace, an empty name, or no field.
    """
    parts, literal, end = [], "", 0
    for token in _TOKEN.finditer(text):
        literal += text[end : token.start()]
        end = token.end()
        if token[1] is not None:
            parts += [literal, token[1]]
            literal = ""
        elif token[0] in ("{{", "}}"):
            literal += token[0][0]
        else:
            raise ValueError(f"has a lone brace at character {token.start()}; write {{{{ or }}}} for a brace")
    if not parts:
        raise ValueError("must contain at least one {field} of the item")
    return Template((*parts, literal + text[end:]))
