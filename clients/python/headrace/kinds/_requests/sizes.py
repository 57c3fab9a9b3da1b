"""Bounds the number of elements of a param before its elements are looked at."""

from typing import Any

from pydantic import BeforeValidator


def HasAtMost(count: int) -> BeforeValidator:  # noqa: N802, it is used as an annotation
    """Returns an annotation that refuses a longer list or object as a whole.

    pydantic checks a length after the elements, with one error for each wrong element.
    """

    def check(value: Any) -> Any:
        if isinstance(value, (list, dict)) and len(value) > count:
            raise ValueError(f"must have at most {count:,} elements, not {len(value):,}")
        return value

    return BeforeValidator(check)
