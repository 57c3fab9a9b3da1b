"""Kinds of work that jobs can name."""

from dataclasses import dataclass
from typing import Any

from headrace.resources._plain_dicts import PlainDict


@dataclass(frozen=True)
class KindInfo(PlainDict):
    """A kind of work that jobs can name.

    Attributes:
        name: Name, such as llm.classify.
        description: Effect on one item.
        params_schema: JSON Schema (draft 2020-12) of its params.
    """

    name: str
    description: str
    params_schema: Any
