"""Renames wrong items of an upload batch by their position in the job."""

import re

from headrace.errors import FieldViolation, HeadraceError

_ITEM = re.compile(r"(items|item_keys)\[(\d+)\]")


def at_position_in_job(error: HeadraceError) -> HeadraceError:
    """Returns the error of an upload with ``items[i]`` or ``item_keys[i]`` counted from the first item.

    A gateway counts within the batch, and reports its start as the metadata first_item_index. An error
    without it is returned unchanged. The returned error no longer carries that metadata.
    """
    metadata = dict(error.metadata)
    first = metadata.pop("first_item_index", "")
    if not (first.isascii() and first.isdecimal()):
        return error
    violations = [
        FieldViolation(_moved(violation.field, int(first)), violation.description)
        for violation in error.violations
    ]
    moved = type(error)(
        _moved(error.message, int(first)), reason=error.reason, violations=violations, metadata=metadata
    )
    moved.answered = error.answered
    return moved


def _moved(text: str, first_item_index: int) -> str:
    """Returns the text with an item at its start counted from the job's first item."""
    item = _ITEM.match(text)
    if item is None:
        return text
    return f"{item[1]}[{first_item_index + int(item[2])}]{text[item.end() :]}"
