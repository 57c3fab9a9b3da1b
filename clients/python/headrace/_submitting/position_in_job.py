"""Items that a gateway finds wrong in a batch of an upload, named by their place in the job."""

import re

from headrace.errors import FieldViolation, HeadraceError

_ITEM = re.compile(r"items\[(\d+)\]")


def at_place_in_job(error: HeadraceError) -> HeadraceError:
    """Returns the error of an upload with ``items[i]`` counted from the job's first item.

    A gateway counts within the batch, and tells where that begins (metadata first_item_index); the error is
    returned as it is where it does not. What is returned no longer carries that metadata.
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
    """Returns a text whose item, if it begins with one, is counted from the job's first."""
    item = _ITEM.match(text)
    if item is None:
        return text
    return f"items[{first_item_index + int(item[1])}]{text[item.end() :]}"
