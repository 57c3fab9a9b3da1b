"""Reads a rule from a profile file."""

import re

from headrace.reasons import ErrorReason
from services.worker.calls.provider.profiles.fields import Fields
from services.worker.calls.provider.profiles.rules import JOB_MESSAGES, Action, Rule

_KEYS = ("status", "code", "type", "message", "error_object", "then", "reason")
_CONDITIONS = ("status", "code", "type", "message", "error_object")
_STATUS = re.compile(r"(?P<first>[1-5]\d\d)(?:-(?P<last>[1-5]\d\d))?|(?P<hundreds>[1-5])xx")


def read_rule(place: str, value: object) -> Rule:
    """Returns one rule.

    Args:
        place: Place of the rule, for error messages.
        value: The rule as read from YAML.

    Raises:
        ValueError: It is not a valid rule. The message names the key.
    """
    fields = Fields(place, value, _KEYS)
    if not any(key in fields for key in _CONDITIONS):
        raise ValueError(f"{place} has no condition; name at least one of {', '.join(_CONDITIONS)}")
    action = Action(fields.choice("then", list(Action)))
    return Rule(
        action=action,
        reason=_read_reason(fields, action),
        statuses=[_read_status(fields, word) for word in fields.words("status")],
        codes=frozenset(word.lower() for word in fields.words("code")),
        types=frozenset(word.lower() for word in fields.words("type")),
        message=_read_pattern(fields),
        error_object=fields.flag("error_object") if "error_object" in fields else None,
    )


def _read_reason(fields: Fields, action: Action) -> ErrorReason | None:
    if action is Action.JOB_REFUSED:
        return ErrorReason(fields.choice("reason", list(JOB_MESSAGES)))
    if "reason" in fields:
        raise fields.fail("reason", f"belongs to {Action.JOB_REFUSED} only; remove it")
    return None


def _read_status(fields: Fields, word: str) -> tuple[int, int]:
    found = _STATUS.fullmatch(word)
    if found is None:
        raise fields.fail("status", "must be statuses such as 429, 500-599 or 5xx, or a list of them")
    if found["hundreds"]:
        first = int(found["hundreds"]) * 100
        return first, first + 99
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if last < first:
        raise fields.fail("status", "must not have a range that ends before it begins")
    return first, last


def _read_pattern(fields: Fields) -> re.Pattern[str] | None:
    words = fields.words("message")
    try:
        return re.compile("|".join(f"(?:{word})" for word in words), re.IGNORECASE) if words else None
    except re.error as error:
        raise fields.fail("message", f"must be regular expressions: {error}") from None
