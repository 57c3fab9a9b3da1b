"""Quotes a model's answer in the next call and in an error."""

from headrace.kinds._labels.reasoning import strip_reasoning

_REPAIR_CHARACTERS = 1000
_MESSAGE_CHARACTERS = 200
# Providers refuse an empty message, and some refuse two messages of the user in a row.
_EMPTY = "(no answer)"


def for_repair(answer: str) -> str:
    """Returns an answer for the chat of the next call: without reasoning, cut to 1,000 characters."""
    text = strip_reasoning(answer)[:_REPAIR_CHARACTERS]
    # JSON can hold half of a surrogate pair. A request cannot.
    return text.encode("utf-8", "replace").decode() if text.strip() else _EMPTY


def for_message(answer: str) -> str:
    """Returns an answer for an error message: one line in quotes, cut to 200 characters.

    Reasoning is left out, unless the answer has nothing else. Control characters are escaped.
    """
    text = (strip_reasoning(answer) or answer.strip())[: _MESSAGE_CHARACTERS + 1]
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
    if len(escaped) > _MESSAGE_CHARACTERS:
        escaped = escaped[: _MESSAGE_CHARACTERS - 1] + "\u2026"
    return f'"{escaped}"'
